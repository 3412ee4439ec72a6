"""Folders that pass for models, a few files in Hugging Face format as small as can be, and registries of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from thano_duckdb.models.registry import ModelEntry, Registry


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
    weight = load_file(folder / "model.safetensors")["weight"]
    assert weight.shape == (1000,)
    assert len(set(weight.tolist())) == 1
    return int(weight[0])


def names(registry: Registry, report_damaged: Callable[[str], None] = pytest.fail) -> list[str]:
    """What is listed, as `name@version`."""
    return [f"{entry.name}@{entry.version}" for entry in registry.entries(report_damaged=report_damaged)]


def build(registry: Registry, name: str, marker: int, *, overwrite: bool = False, **about: Any) -> ModelEntry:
    """Publish a stand-in."""
    with registry.stage() as staging:
        make_checkpoint(staging, marker)
        return registry.publish(staging, name, kind="built", base="Wav2Vec2En", overwrite=overwrite, **about)


def leftovers(registry: Registry) -> list[str]:
    """Folders in the staging folder."""
    return [path.name for path in (registry.home / ".staging").iterdir() if path.is_dir()]
