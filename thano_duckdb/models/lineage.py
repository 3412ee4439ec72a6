"""Reads `thano.json`: what a version of a model is and where it comes from. Anybody may have edited it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from .checkpoint import read_json

LINEAGE_FILE = "thano.json"

ModelKind = Literal["uploaded", "built", "language model"]
"""How an acoustic model came into the registry; or that it is none."""

_MAX_EPOCH = 2**31 - 1
_COUNTS = {"epoch": _MAX_EPOCH, "skipped": 2**63 - 1}
_FIGURES = ("train_loss", "eval_loss", "wer", "cer", "learning_rate", "audio_hours", "seconds")
_MAX_FIGURE = 10**300


@dataclass(frozen=True)
class About:
    """What `thano.json` says; see `registry.ModelEntry`."""

    kind: ModelKind
    base: str | None
    created: datetime.datetime
    description: str
    lineage: Mapping[str, Any]


def read_about(folder: Path) -> About:
    """What the `thano.json` in a folder says, every value of the type that it should have.

    Raises:
        ModelError: it cannot be read, or is no JSON.
        ValueError: an entry is missing, or of another type.
    """
    about = read_json(folder / LINEAGE_FILE, allow_nan=True)  # of a figure of the training
    _check(isinstance(about, dict), "it is not an object")
    kind, base, description, lineage = (about.get(name) for name in ("kind", "base", "description", "lineage"))
    _check(kind in get_args(ModelKind), "kind")
    _check(base is None or isinstance(base, str), "base")
    _check(isinstance(description, str), "description")
    _check(isinstance(lineage, dict), "lineage")
    created = about.get("created")
    _check(isinstance(created, str), "created")
    _check_training(lineage)
    return About(kind, base, _in_utc(datetime.datetime.fromisoformat(created)), description, lineage)


def _in_utc(time: datetime.datetime) -> datetime.datetime:
    try:
        return time.replace(tzinfo=time.tzinfo or datetime.UTC).astimezone(datetime.UTC)
    except OverflowError as error:
        raise ValueError("created") from error


def _check_training(lineage: Mapping[str, Any]) -> None:
    """Check what `thano_training` shows, where the model was built here."""
    metrics = lineage.get("metrics", [])
    _check(isinstance(metrics, list) and all(isinstance(epoch, dict) for epoch in metrics), "metrics")
    for epoch in metrics:
        for name, largest in _COUNTS.items():
            _check(_is_count(epoch.get(name, 0), largest), f"metrics: {name}")
        _check("epoch" in epoch and all(_is_figure(epoch.get(name)) for name in _FIGURES), "metrics")
    kept_epoch, comparison = lineage.get("kept_epoch"), lineage.get("comparison")
    _check(kept_epoch is None or _is_count(kept_epoch, _MAX_EPOCH), "kept_epoch")
    if comparison is not None:
        _check(isinstance(comparison, dict) and isinstance(comparison.get("base"), dict), "comparison")
        _check(isinstance(comparison.get("is_held_out"), bool), "comparison: is_held_out")
        _check(all(_is_figure(comparison["base"].get(name)) for name in ("wer", "cer")), "comparison: base")


def _is_count(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _is_figure(value: object) -> bool:
    if value is None or isinstance(value, float):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_FIGURE


def _check(is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(what)
