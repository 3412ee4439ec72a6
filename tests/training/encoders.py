"""Pretrained encoders of a few thousand random weights, and clips in which every character is a chord of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from safetensors.torch import load_file, save_file

from thano_duckdb.training.training_options import Example

RATE_HZ = 16_000
CHARACTER_S = 0.1
TEXTS = {
    "Korean": (
        "안녕하세요", "오늘 날씨가 좋다", "학교에 간다", "물 한 잔", "사랑해 친구", "밥을 먹자", "고맙습니다",
        "내일 만나요",
    ),
    "German": (
        "Guten Morgen!", "Straße und Öl", "über den Fluss", "schöne Grüße", "Äpfel kaufen", "zwölf Boxkämpfer",
        "quer durch", "Jeder Tag.",
    ),
    "Chinese": (
        "今天天气很好", "我爱北京", "你好吗", "谢谢大家", "明天见面", "学校在哪里", "请喝茶", "他是老师"
    ),
}  # fmt: skip
AUDIO_SETTINGS = {
    "do_normalize": True,
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": True,
    "sampling_rate": RATE_HZ,
}


def write_spoken(folder: Path, texts: Sequence[str]) -> list[Example]:
    """A clip for each text: a chord for each letter, silence for anything else, and a little noise."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = []
    for index, text in enumerate(texts):
        samples = np.concatenate([_sound(char) for char in text.lower()])
        samples += 0.005 * np.random.default_rng(index).standard_normal(len(samples))
        path = folder / f"{index}.wav"
        soundfile.write(path, samples.astype(np.float32), RATE_HZ)
        examples.append(Example(str(path), text))
    return examples


def _sound(char: str) -> Any:
    time_s = np.arange(int(CHARACTER_S * RATE_HZ)) / RATE_HZ
    if not char.isalpha():
        return 0.0 * time_s
    pitches_hz = np.random.default_rng(ord(char)).uniform(150, 3500, 3)
    chord = sum(
        level * np.sin(2 * np.pi * pitch_hz * time_s)
        for level, pitch_hz in zip((0.3, 0.2, 0.1), pitches_hz, strict=True)
    )
    return chord * np.hanning(len(time_s)) ** 0.3


def write_encoder(
    folder: Path, family: str = "Wav2Vec2", head: str = "Model", *, has_prefix: bool = False, **config: Any
) -> Path:
    """A self-supervised checkpoint without a vocabulary.

    Args:
        folder: where to write it.
        family: as transformers' classes call it.
        head: `Model` for the bare encoder, `ForPreTraining` for one with its quantizer and projections.
        has_prefix: whether the names of the bare encoder's weights begin with that of the family.
        **config: in place of the settings here.
    """
    import torch
    import transformers

    of_family: dict[str, Any] = (
        {"conv_pos_kernel_size": 5} if family == "Data2VecAudio" else {"feat_extract_norm": "layer"}
    )
    small: dict[str, Any] = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "conv_dim": [48] * 3, "conv_kernel": [20, 8, 4], "conv_stride": [10, 8, 4],
        "num_conv_pos_embeddings": 2 if family == "Data2VecAudio" else 8, "num_conv_pos_embedding_groups": 2,
        "hidden_dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "feat_proj_dropout": 0.0,
        "final_dropout": 0.0, "layerdrop": 0.0, "mask_time_length": 4,
    }  # fmt: skip
    if head == "ForPreTraining":
        of_family |= {"codevector_dim": 8, "proj_codevector_dim": 8, "num_codevectors_per_group": 4}
    network_class = getattr(transformers, f"{family}{head}")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_class(getattr(transformers, f"{family}Config")(**small | of_family | config))
    network.save_pretrained(folder)
    if has_prefix:
        weights = load_file(folder / "model.safetensors")
        named = {f"{network.base_model_prefix}.{name}": weight for name, weight in weights.items()}
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "preprocessor_config.json").write_text(json.dumps(AUDIO_SETTINGS))
    return folder
