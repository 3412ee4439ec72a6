"""Small random checkpoints in the style of MMS, and plain transformers in one of their languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import save_file

from thano_duckdb.speech.libraries import quiet_transformers

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "|"]
LETTERS = {
    "eng": "abcdefghijklmnopqrstuvwxyz'",
    "kor": "가나다라마바사아자차카타파하고노도로모보소오조초",
    "deu": "abcdefghijklmnopqrstuvwxyzäöüß",
    "cmn-script_simplified": "今天气很好我们去公园散步你呢",
}
DEFAULT = "eng"


def vocabulary(language: str) -> dict[str, int]:
    """The ids of the tokens of a language."""
    return {token: index for index, token in enumerate([*SPECIAL, *LETTERS[language]])}


def write_mms(
    folder: Path,
    *,
    adapter_attn_dim: int = 4,
    hidden_size: int = 32,
    languages: tuple[str, ...] = ("kor", "deu"),
) -> Path:
    """A checkpoint of English with the adapters of `languages`, as `facebook/mms-1b-all` is laid out."""
    config = transformers.Wav2Vec2Config(
        vocab_size=len(vocabulary(DEFAULT)),
        conv_dim=[16] * 4,
        conv_kernel=[10, 8, 4, 4],
        conv_stride=[5, 4, 4, 4],
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        hidden_size=hidden_size,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        adapter_attn_dim=adapter_attn_dim,
        pad_token_id=0,
    )
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(7)
        network = transformers.Wav2Vec2ForCTC(config)
        for parameter in network.parameters():  # away from the regular initial values, as after training
            parameter.data += 0.1 * parameter.data.std().nan_to_num(1).clamp_min(0.1) * torch.randn_like(parameter)
        _randomize(network)
        network.save_pretrained(folder)
        for language in languages:
            network.lm_head = torch.nn.Linear(config.hidden_size, len(vocabulary(language)))
            _randomize(network)
            save_file(network._get_adapters(), folder / f"adapter.{language}.safetensors", {"format": "pt"})
    (folder / "vocab.json").write_text(json.dumps({language: vocabulary(language) for language in LETTERS}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Wav2Vec2CTCTokenizer", "target_lang": DEFAULT})
    )
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True})
    )
    return folder


def _randomize(network: Any) -> None:
    """Adapters that change what the network writes, and a head that writes many letters and no `</s>`."""
    for parameter in network._get_adapters().values():
        parameter.data = 0.5 * torch.randn_like(parameter)
    network.lm_head.weight.data *= 6
    network.lm_head.bias.data[1:4] = -1000


def set_target_lang(folder: Path, language: str | None) -> None:
    """Name the default language of a checkpoint."""
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "target_lang": language}))


def hugging_face_text(folder: Path, samples: NDArray[Any], language: str | None) -> str:
    """The text of one clip by plain transformers, in float32; `language` None: as the folder loads by itself."""
    of_language: dict[str, Any] = {} if language is None else {"target_lang": language}
    of_network: dict[str, Any] = of_language and {**of_language, "ignore_mismatched_sizes": True}
    with quiet_transformers():
        network = transformers.Wav2Vec2ForCTC.from_pretrained(folder, dtype=torch.float32, **of_network).eval()
        processor: Any = transformers.Wav2Vec2Processor.from_pretrained(folder, **of_language)
    values = processor(samples, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.inference_mode():
        ids = network(values).logits[0].argmax(-1)
    text: str = processor.decode(ids)
    return text
