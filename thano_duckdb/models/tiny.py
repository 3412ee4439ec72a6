"""The architecture of `Wav2Vec2TinyEn`, a Wav2Vec2 for English that is fast on a CPU."""

from __future__ import annotations

import string
from pathlib import Path

from .character_tokenizer import DELIMITER, SPECIAL_TOKENS, write_json, write_tokenizer

NAME = "Wav2Vec2TinyEn"

_VOCABULARY = (*SPECIAL_TOKENS, DELIMITER, *string.ascii_uppercase, "'")

_CONFIG = {
    "architectures": ["Wav2Vec2ForCTC"],
    "model_type": "wav2vec2",
    "vocab_size": len(_VOCABULARY),
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    # Frames of 30 ms, two for each character of fast speech. The first convolution has a long stride: on a CPU, most of
    # the time of a Wav2Vec2 goes into layers of high time resolution.
    "conv_dim": [80, 128, 192, 192, 192],
    "conv_kernel": [40, 8, 6, 3, 3],
    "conv_stride": [20, 4, 6, 1, 1],
    "conv_bias": True,
    "num_feat_extract_layers": 5,
    "feat_extract_norm": "layer",
    "feat_proj_dropout": 0.0,
    "num_conv_pos_embeddings": 31,
    "num_conv_pos_embedding_groups": 8,
    "feat_extract_activation": "relu",  # saves a tenth of the time of a training step compared with GELU
    "hidden_act": "relu",
    "do_stable_layer_norm": True,
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_hidden_layers": 10,
    "num_attention_heads": 4,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,  # otherwise torch has no fused attention on a CPU
    # It would cost a tenth of a step; overfitting is far off, and `augment` and SpecAugment guard against it.
    "hidden_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
    "mask_time_length": 7,
    "mask_time_prob": 0.05,
    "mask_feature_length": 16,
    "mask_feature_prob": 0.05,
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
    """Whether a name is that of the small model, whatever its case."""
    return name.casefold() == NAME.casefold()


def write_tiny(folder: Path) -> None:
    """Write a checkpoint without its weights into `folder`, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", _CONFIG)
    write_json(folder / "preprocessor_config.json", _PREPROCESSOR)
    write_tokenizer(folder, _VOCABULARY)
