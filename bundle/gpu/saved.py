"""What a training run leaves: the model, its curve, and what it needs to go on."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import nn

COPIED = ("vocab.json", "tokenizer_config.json", "preprocessor_config.json")
PAUSED, CURVE, WEIGHTS = "paused.pt", "training.csv", "model.safetensors"


class Part(Protocol):
    """A module or an optimizer."""

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Take it."""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    step: int = 0
    heard_s: float = 0.0
    trained_s: float = 0.0


def write_model(ctc: nn.Module, settings: Mapping[str, object], source: Path, out: Path) -> None:
    """A model's folder: the weights in half precision, and the vocabulary of `source`."""
    out.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(source / name, out / name)
    (out / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    weights = {name: weight.detach().half().contiguous().cpu() for name, weight in ctc.state_dict().items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})


def add_to_curve(out: Path, row: Mapping[str, float]) -> None:
    """Append a row to the training curve."""
    is_new = not (out / CURVE).exists()
    with (out / CURVE).open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, row)
        if is_new:
            table.writeheader()
        table.writerow(row)


def pause(out: Path, parts: Mapping[str, Part], progress: Progress) -> None:
    """Keep what `go_on` needs."""
    torch.save({name: part.state_dict() for name, part in parts.items()} | asdict(progress), out / PAUSED)


def go_on(out: Path, parts: Mapping[str, Part], device: str) -> Progress:
    """Load what `pause` kept, if there is something."""
    if not (out / PAUSED).exists():
        return Progress()
    state = torch.load(out / PAUSED, map_location=device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state.pop(name))
    return Progress(**state)
