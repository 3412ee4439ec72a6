"""`Wav2Vec2TinyEn`: a Wav2Vec2 for English that is small enough to be trained from nothing on two CPU cores."""

from __future__ import annotations

import json
import string
from pathlib import Path

NAME = "Wav2Vec2TinyEn"

_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
_VOCABULARY = (*_SPECIAL, "|", *string.ascii_uppercase, "'")

_CONFIG = {
    "architectures": ["Wav2Vec2ForCTC"],
    "model_type": "wav2vec2",
    "vocab_size": len(_VOCABULARY),
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # Frames of 30 ms, two to a character of fast speech. The first convolution takes long steps: the work in a Wav2Vec2
    # on a CPU is where it is fine.
    "conv_dim": [80, 128, 192, 192, 192],
    "conv_kernel": [40, 8, 6, 3, 3],
    "conv_stride": [20, 4, 6, 1, 1],
    "conv_bias": True,
    "num_feat_extract_layers": 5,
    "feat_extract_norm": "layer",
    "feat_proj_dropout": 0.0,
    "num_conv_pos_embeddings": 31,
    "num_conv_pos_embedding_groups": 8,
    "feat_extract_activation": "relu",  # a tenth of a step less than GELU
    "hidden_act": "relu",
    "do_stable_layer_norm": True,
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,  # with it torch has no fused attention on a CPU
    "hidden_dropout": 0.0,  # a tenth of a step, and what it guards against is far: `augment` and SpecAugment do
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_length": 7,
    "mask_time_prob": 0.05,
    "mask_feature_length": 16,
    "mask_feature_prob": 0.05,
}
_TOKENIZER = {
    "tokenizer_class": "Wav2Vec2CTCTokenizer",
    "processor_class": "Wav2Vec2Processor",
    "pad_token": "<pad>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "word_delimiter_token": "|",
    "replace_word_delimiter_char": " ",
    "do_lower_case": False,
}
_PREPROCESSOR = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "processor_class": "Wav2Vec2Processor",
    "feature_size": 1,
    "sampling_rate": 16_000,
    "padding_side": "right",
    "padding_value": 0.0,
    "do_normalize": True,
    "return_attention_mask": True,
}


def is_tiny(name: str) -> bool:
    """Whether a model's name is that of the small one, in any case."""
    return name.casefold() == NAME.casefold()


def write_tiny(folder: Path) -> None:
    """Write all of a checkpoint but its weights into `folder`, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "config.json": _CONFIG,
        "vocab.json": {token: index for index, token in enumerate(_VOCABULARY)},
        "tokenizer_config.json": _TOKENIZER,
        "preprocessor_config.json": _PREPROCESSOR,
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
