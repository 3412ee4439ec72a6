"""What tests of the engine share: small random models, Hugging Face on single clips, simple CTC, stubs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import transformers
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure, Waveform
from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.cache import NoCache, TranscriptCache
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.recognizer.level import Level
from thano_duckdb.speech.transcript import Transcript

Clips = Sequence[NDArray[Any]]  # float32; soundfile's annotations do not say which dtype it was asked for
Decoder = Callable[[Clip], Waveform | AudioFailure]
RATE_HZ = 16_000

LABELS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]

SMALL: dict[str, Any] = {
    "vocab_size": len(LABELS),
    "conv_dim": [16] * 4,
    "conv_kernel": [10, 8, 4, 4],
    "conv_stride": [5, 4, 4, 4],
    "num_feat_extract_layers": 4,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "pad_token_id": 0,
}

MODELS: dict[str, Callable[[], transformers.PreTrainedModel]] = {
    "wav2vec2-group": lambda: transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**SMALL)),
    "wav2vec2-layer": lambda: transformers.Wav2Vec2ForCTC(
        transformers.Wav2Vec2Config(**SMALL, feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    ),
    "hubert-group": lambda: transformers.HubertForCTC(transformers.HubertConfig(**SMALL, conv_bias=True)),
    "hubert-batchnorm": lambda: transformers.HubertForCTC(transformers.HubertConfig(**SMALL, conv_pos_batch_norm=True)),
    "wavlm-group": lambda: transformers.WavLMForCTC(transformers.WavLMConfig(**SMALL)),
    "data2vec": lambda: transformers.Data2VecAudioForCTC(
        transformers.Data2VecAudioConfig(**{**SMALL, "num_conv_pos_embeddings": 3}, conv_pos_kernel_size=9)
    ),
    "unispeech-group": lambda: transformers.UniSpeechForCTC(transformers.UniSpeechConfig(**SMALL)),
    "unispeech-sat-group": lambda: transformers.UniSpeechSatForCTC(transformers.UniSpeechSatConfig(**SMALL)),
    "conformer-relative": lambda: transformers.Wav2Vec2ConformerForCTC(
        transformers.Wav2Vec2ConformerConfig(**SMALL, feat_extract_norm="layer")
    ),
    "conformer-rotary": lambda: transformers.Wav2Vec2ConformerForCTC(
        transformers.Wav2Vec2ConformerConfig(**SMALL, position_embeddings_type="rotary")
    ),
    "sew": lambda: transformers.SEWForCTC(transformers.SEWConfig(**SMALL)),
    "sew-layer": lambda: transformers.SEWForCTC(
        transformers.SEWConfig(**{**SMALL, "num_conv_pos_embeddings": 15}, feat_extract_norm="layer", squeeze_factor=3)
    ),
    "sew-d": lambda: transformers.SEWDForCTC(transformers.SEWDConfig(**SMALL, position_buckets=8)),
}


def write_settings(folder: Path, *, do_normalize: bool = True) -> None:
    """The JSON files beside the weights, as Hugging Face's processor writes them."""
    (folder / "vocab.json").write_text(json.dumps({label: index for index, label in enumerate(LABELS)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Wav2Vec2CTCTokenizer"}))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": do_normalize})
    )


@dataclass(frozen=True)
class HuggingFace:
    """A checkpoint as plain transformers runs it: one clip at a time, no padding, float32."""

    network: Any
    extractor: Any

    @classmethod
    def load(cls, folder: Path) -> HuggingFace:
        with quiet_transformers():
            network = transformers.AutoModelForCTC.from_pretrained(folder, dtype=torch.float32).eval()
        settings = folder / "preprocessor_config.json"
        normalize = json.loads(settings.read_text())["do_normalize"] if settings.exists() else True
        return cls(network, transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize))

    def logits(self, samples: NDArray[Any]) -> torch.Tensor:
        """(frames, vocab) for one clip."""
        values = self.extractor(samples, sampling_rate=16_000, return_tensors="pt").input_values
        with torch.inference_mode():
            logits: torch.Tensor = self.network(values).logits[0]
        return logits

    def text(self, samples: NDArray[Any]) -> str:
        """The greedy text of one clip."""
        return simple_text(self.logits(samples).argmax(-1).tolist())


def simple_text(ids: list[int]) -> str:
    """CTC in two lines, for the vocabulary `LABELS`."""
    labels = [LABELS[index] for index, _ in groupby(ids)]
    return " ".join("".join("" if label in LABELS[:4] else label for label in labels).replace("|", " ").split())


class RecordingMonitor(SilentMonitor):
    """Records what is reported."""

    def __init__(self) -> None:
        self.n_received = 0
        self.n_done = 0
        self.audio_s = 0.0
        self.failures: list[tuple[str, str]] = []

    def clips_received(self, n_clips: int) -> None:
        self.n_received += n_clips

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        self.n_done += n_clips
        self.audio_s += audio_s

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        self.clips_done(n_clips, audio_s)

    def clip_failed(self, location: str, reason: str) -> None:
        self.failures.append((location, reason))


def library_of(clips: Clips) -> Decoder:
    """A reader that finds `clip 3` in memory, and no other locations."""

    def read(source: Clip) -> Waveform | AudioFailure:
        kind, _, number = source.location.partition(" ")
        if kind != "clip":
            return AudioFailure("There is no such file.")
        return Waveform(clips[int(number)], len(clips[int(number)]) / RATE_HZ)

    return read


def names(clips: Clips) -> list[str]:
    """The locations of all clips of such a library."""
    return [f"clip {number}" for number in range(len(clips))]


def transcribe(
    engine: Engine,
    values: Sequence[str | bytes | None],
    *,
    max_clips: int | None = None,
    monitor: Monitor | None = None,
    cache: TranscriptCache | None = None,
    level: Level = "robust",
) -> list[Transcript | None]:
    """Call the engine with greedy decoding; by default silently and without a cache."""
    return engine.transcribe(
        [None if value is None else Clip.of(value) for value in values],
        CallOptions(GreedyDecoder(), max_clips, level=level),
        cache=cache or NoCache(),
        monitor=monitor or SilentMonitor(),
    )


def texts(transcripts: Sequence[Transcript | None]) -> list[str | None]:
    """The texts of transcripts."""
    return [None if transcript is None else transcript.text for transcript in transcripts]
