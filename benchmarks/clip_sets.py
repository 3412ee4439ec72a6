"""The clips and the models that the benchmarks run on."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import soundfile as sf

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODEL = SHARED / "models" / "an4-small"
LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
"""Settings of wav2vec2-large-960h-lv60-self; transformers' defaults are those of base."""


@dataclass(frozen=True)
class ClipSet:
    """Clips and the reference transcript of each; `texts` is None where accuracy does not matter."""

    name: str
    paths: Sequence[str]
    texts: Sequence[str] | None

    @cached_property
    def durations_s(self) -> list[float]:
        """Duration of each clip, from its header."""
        return [sf.info(path).duration for path in self.paths]

    @property
    def audio_s(self) -> float:
        """Duration of all clips together."""
        return sum(self.durations_s)

    def pick(self, rows: Sequence[int], name: str | None = None) -> ClipSet:
        """The clips with these indices."""
        texts = None if self.texts is None else [self.texts[row] for row in rows]
        return ClipSet(name or self.name, [self.paths[row] for row in rows], texts)


def an4() -> ClipSet:
    """The 130 test clips of an4; exits the program where they are missing."""
    folder = SHARED / "data" / "an4"
    if not folder.exists() or not MODEL.exists():
        sys.exit("skipped: needs ../shared/data/an4 and ../shared/models/an4-small, which are not on this machine")
    with (folder / "manifest.csv").open(newline="") as manifest:
        rows = [row for row in csv.DictReader(manifest) if row["split"] == "test"]
    return ClipSet("an4", [str(folder / row["audio_path"]) for row in rows], [row["text"] for row in rows])


def an4_test() -> list[str]:
    """The paths of the 130 test clips of an4."""
    return list(an4().paths)


def write_random_model(folder: Path, **settings: Any) -> Path:
    """A Wav2Vec2 with random weights, always the same ones, and an English alphabet.

    Args:
        folder: where it is written.
        settings: those of `Wav2Vec2Config` that differ from its defaults, which are wav2vec2-base.
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    from thano_duckdb.models import tiny
    from thano_duckdb.speech.libraries import quiet_transformers

    tiny.write_tiny(folder)
    with quiet_transformers(), torch.random.fork_rng():
        torch.manual_seed(0)
        Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=32, pad_token_id=0, **settings)).save_pretrained(folder)
    return folder
