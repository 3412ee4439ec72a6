"""`DESCRIBE MODEL name`: what is known of one model, a row for each fact. Nothing is downloaded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session, may_use
from thano_duckdb.errors import RegistryError
from thano_duckdb.language.build_language_model import LanguageModelFigures
from thano_duckdb.masking import mask_secrets, masked
from thano_duckdb.models import bundled, resolve
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL, BuiltInModel, find_built_in
from thano_duckdb.models.registry import ModelEntry

from . import arguments
from .arrow import Function, per_row
from .model_check import resolve_any
from .model_registry import BUNDLED_LANGUAGE_MODEL

FACT = pa.struct([pa.field("property", pa.string()), pa.field("value", pa.string())])
MAX_TOKENS = 100
"""Of an alphabet that are shown."""

_CHECKPOINT_FACTS = (
    *("architecture", "layers", "hidden_size", "parameters", "precision", "weights", "bytes", "sample_rate"),
    *("outputs", "blank", "languages", "language_model", "license"),
)
Facts = Iterator[tuple[str, object]]


def describe_model(session: Session, spec: str, is_language_model: bool | None = None) -> list[dict[str, str]]:
    """A `FACT` for each thing that is known of a model; secrets in what its `thano.json` says are masked.

    Raises:
        ModelError: there is no such model, its `thano.json` is damaged, or the database may not read its folder.
        RegistryError: with `is_language_model`: it is an acoustic model.
    """
    entry = session.registry.find(spec)
    if is_language_model and (entry is None or not entry.is_language_model) and spec.casefold() != LANGUAGE_MODEL:
        resolve.check(spec, session.registry, allow_external=False)
        raise RegistryError(f"'{spec}' is an acoustic model, which DESCRIBE MODEL describes")
    if entry is not None:
        facts = _of_entry(entry, session.registry.versions(entry.name))
    elif spec.casefold() == LANGUAGE_MODEL:
        facts = _of_bundled_language_model()
    else:
        with session.access() as access:
            facts = iter([*_of_other(session, spec, access)])
    return [{"property": name, "value": _text(value)} for name, value in facts if value is not None]


def _of_entry(entry: ModelEntry, versions: list[int]) -> Facts:
    yield "name", entry.name
    yield "version", entry.version
    yield "versions", ", ".join(map(str, versions))
    yield "kind", entry.kind
    yield "description", entry.description or None
    yield "base", entry.base
    yield "created", entry.created.isoformat(sep=" ", timespec="seconds")
    yield "path", entry.path
    if entry.is_language_model:
        yield "bytes", _size(entry.path)
    else:
        yield from _of_folder(entry.path)
    yield from _of_lineage(entry.lineage)


def _of_bundled_language_model() -> Facts:
    yield from BUNDLED_LANGUAGE_MODEL.items()
    yield "path", bundled.LANGUAGE_MODEL_FOLDER
    yield "bytes", _size(bundled.LANGUAGE_MODEL_FOLDER)


def _of_other(session: Session, spec: str, access: Access) -> Facts:
    """Of a built-in model, one of the hub, or a folder."""
    if model := find_built_in(spec):
        yield from _of_built_in(spec, model)
        folder = resolve.folder_on_disk(spec)
    elif spec.startswith("hf://"):
        folder = resolve.folder_on_disk(spec, allow_external=may_use(spec, access))
        yield "name", spec
        yield "kind", "hub"
    else:
        folder = resolve_any(session, spec, access).folder
        yield "name", folder
        yield "kind", "folder"
    if folder is None:
        yield "downloaded", "no: PREDICT and GET THANOSQL MODEL download it"
        return
    yield "path", folder
    yield from _of_folder(folder)


def _of_built_in(spec: str, model: BuiltInModel) -> Facts:
    yield "name", model.names[0]
    others = [name for name in model.names[1:] if name.casefold() != model.names[0].casefold()]
    yield "other_names", ", ".join(others) or None
    yield "kind", "built-in"
    yield "description", model.description
    yield "base", f"hf://{model.repo_id}" if model.repo_id is not None else None


def _of_folder(folder: Path) -> Facts:
    from thano_duckdb.speech.recognizer.checkpoint_facts import CheckpointFacts, read_alphabet

    facts = CheckpointFacts.read(folder)
    for name in _CHECKPOINT_FACTS:
        yield name, getattr(facts, name)
    alphabet = read_alphabet(folder, facts.outputs)
    if alphabet is not None:
        more = f" and {len(alphabet) - MAX_TOKENS} more" if len(alphabet) > MAX_TOKENS else ""
        yield "alphabet", " ".join(alphabet[:MAX_TOKENS]) + more


def _of_lineage(lineage: Mapping[str, Any]) -> Facts:
    """What `thano.json` says of how a model was made; anybody may have edited it."""
    yield "uploaded_from", lineage.get("uploaded_from")
    yield "sql", lineage.get("sql")
    yield "options", lineage.get("options")
    rows = _object(lineage.get("rows"))
    yield "training_rows", rows.get("train")
    yield "training_hours", rows.get("hours")
    yield "validation_rows", rows.get("validation")
    yield "skipped_rows", rows.get("skipped")
    if metrics := lineage.get("metrics"):
        yield "epochs", len(metrics)
        yield "kept_epoch", lineage.get("kept_epoch")
        yield "training_seconds", sum(epoch.get("seconds") or 0.0 for epoch in metrics)
    comparison = _object(lineage.get("comparison"))
    if comparison:
        model, base = _object(comparison.get("model")), comparison["base"]
        for rate in ("wer", "cer"):
            yield rate, model.get(rate)
            yield f"base_{rate}", base.get(rate)
        yield "evaluated_rows", comparison.get("n_clips")
        yield "evaluated_on", "held-out rows" if comparison["is_held_out"] else "rows of the training"
    figures = _object(lineage.get("figures"))
    for field in dataclasses.fields(LanguageModelFigures):
        yield field.name, figures.get(field.name)
    notes = lineage.get("notes")
    yield "notes", "\n".join(map(str, notes)) if isinstance(notes, list) and notes else None
    libraries = _object(lineage.get("libraries"))
    yield "libraries", ", ".join(f"{name} {version}" for name, version in libraries.items()) or None


def _size(folder: Path) -> int:
    """Bytes of the files of a folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    match value:
        case str():
            return mask_secrets(value)
        case float():
            return f"{value:.6g}"
        case tuple():
            return ", ".join(map(str, value))
        case dict() | list():
            return json.dumps(masked(value), ensure_ascii=False)
        case _:
            return str(value)


FUNCTIONS = (
    Function(
        "_thano_describe_model",
        per_row(describe_model, pa.list_(FACT)),
        pa.list_(FACT),
        (arguments.text("the model", required=True),),
        changes_something=True,
    ),
)
