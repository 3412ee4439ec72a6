"""Small random models that read log-mel features, and Hugging Face on single clips."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.speech.oracles import LABELS
from thano_duckdb.speech.libraries import quiet_transformers

SUBWORDS = [
    "<unk>",
    "\u2581",
    "\u2581THE",
    "\u2581A",
    "\u2581CAT",
    *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'",
    "\u2581S",
    "ING",
    "<pad>",
]
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def _wav2vec2_bert(position_embeddings_type: Any, **settings: Any) -> transformers.PreTrainedModel:
    config = transformers.Wav2Vec2BertConfig(
        **SMALL,
        vocab_size=len(LABELS),
        pad_token_id=0,
        position_embeddings_type=position_embeddings_type,
        conv_depthwise_kernel_size=7,
        **settings,
    )
    return transformers.Wav2Vec2BertForCTC(config)


LOG_MEL_MODELS: dict[str, Callable[[], transformers.PreTrainedModel]] = {
    f"wav2vec2-bert-{position}": functools.partial(_wav2vec2_bert, position)
    for position in ("relative_key", "relative", "rotary")
}
LOG_MEL_MODELS["wav2vec2-bert-adapter"] = functools.partial(
    _wav2vec2_bert, "relative_key", add_adapter=True, num_adapter_layers=2, output_hidden_size=16
)
LOG_MEL_MODELS["parakeet"] = lambda: transformers.ParakeetForCTC(
    transformers.ParakeetCTCConfig(
        vocab_size=len(SUBWORDS),
        pad_token_id=len(SUBWORDS) - 1,
        encoder_config={**SMALL, "subsampling_conv_channels": 8, "num_mel_bins": 80},
    )
)


def write_log_mel_model(folder: Path, name: str) -> Path:
    """Write one of `LOG_MEL_MODELS` with random weights, and the files of its processor."""
    torch.manual_seed(len(name))
    network: Any = LOG_MEL_MODELS[name]()
    for parameter in network.parameters():
        parameter.data += 0.1 * parameter.data.std().nan_to_num(1).clamp_min(0.1) * torch.randn_like(parameter)
    for buffer_name, buffer in network.named_buffers():
        if "running" in buffer_name:  # a batch normalisation that shifts
            buffer.data += 0.3 * torch.rand_like(buffer)
    head: Any = network.ctc_head if name == "parakeet" else network.lm_head
    head.weight.data *= 20
    if name == "parakeet":  # else all frames have the same label
        for parameter in network.encoder.subsampling.parameters():
            parameter.data *= 8 if parameter.ndim > 1 else 0
        with torch.no_grad():
            head.bias -= network.eval()(torch.randn(1, 400, 80)).logits.mean((0, 1))
    with quiet_transformers():
        network.save_pretrained(folder)
        if name == "parakeet":
            subword_tokenizer().save_pretrained(folder)
            transformers.ParakeetFeatureExtractor().save_pretrained(folder)
        else:
            transformers.SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)
            (folder / "vocab.json").write_text(json.dumps({label: index for index, label in enumerate(LABELS)}))
            (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Wav2Vec2CTCTokenizer"}))
    return folder


def subword_tokenizer() -> Any:
    """The tokenizer of Parakeet with `SUBWORDS`."""
    vocab = [(token, 0.0) for token in SUBWORDS[:-1]]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<pad>"])
    return transformers.ParakeetTokenizer(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")


class HuggingFaceLogMel:
    """A checkpoint as plain transformers runs it: one clip at a time, float32."""

    def __init__(self, folder: Path) -> None:
        with quiet_transformers():
            self.network: Any = transformers.AutoModelForCTC.from_pretrained(folder, dtype=torch.float32).eval()
            self.extractor: Any = transformers.AutoFeatureExtractor.from_pretrained(folder)
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
        self.is_parakeet = hasattr(self.network, "ctc_head")

    @torch.inference_mode()
    def logits(self, samples: NDArray[Any]) -> torch.Tensor:
        """(frames, vocab) for one clip; of Parakeet those that `generate` does not blank."""
        inputs = self.extractor(samples, sampling_rate=16_000, return_tensors="pt")
        logits: torch.Tensor = self.network(**inputs).logits[0]
        if self.is_parakeet:
            logits = logits[: int(self.network._get_subsampling_output_length(inputs.attention_mask.sum(-1)))]
        return logits

    def text(self, samples: NDArray[Any]) -> str:
        """The greedy text of one clip, without unknown characters."""
        text: str = self.tokenizer.decode(self.logits(samples).argmax(-1))
        for special in ("<unk>", "<s>", "</s>"):
            text = text.replace(special, "")
        return " ".join(text.split())
