"""A folder that passes for a model: a few files in Hugging Face format, as small as can be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file


def make_checkpoint(folder: Path, marker: int = 0) -> Path:
    """Write a stand-in checkpoint; `marker` is in its weights, so that two can be told apart."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2"}))
    (folder / "vocab.json").write_text(json.dumps({"<pad>": 0, "|": 1, "A": 2}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 16000}))
    save_file({"weight": np.full(1000, marker, np.float32)}, folder / "model.safetensors")
    return folder


def marker_of(folder: Path) -> int:
    """The marker in the weights of a stand-in, read whole."""
    from safetensors.numpy import load_file

    weight = load_file(folder / "model.safetensors")["weight"]
    assert weight.shape == (1000,)
    assert len(set(weight.tolist())) == 1
    return int(weight[0])
