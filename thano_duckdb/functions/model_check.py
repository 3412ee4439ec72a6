"""`thano_check('name')`: one row that says whether PREDICT and BUILD can use a model, and what its files say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session, may_use
from thano_duckdb.errors import ModelError, ThanoError
from thano_duckdb.models import resolve
from thano_duckdb.models.adapters import read_languages, usable_languages
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_FOLDER, has_vocabulary

from . import arguments
from .arrow import Function, per_row

CHECK = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("predict", pa.bool_()),
        pa.field("build", pa.bool_()),
        pa.field("problem", pa.string()),
        pa.field("architecture", pa.string()),
        pa.field("layers", pa.int32()),
        pa.field("hidden_size", pa.int32()),
        pa.field("parameters", pa.int64()),
        pa.field("bytes", pa.int64()),
        pa.field("weights", pa.string()),
        pa.field("precision", pa.string()),
        pa.field("sample_rate", pa.int32()),
        pa.field("outputs", pa.int32()),
        pa.field("vocabulary", pa.int32()),
        pa.field("without_output", pa.list_(pa.string())),
        pa.field("blank", pa.string()),
        pa.field("blank_id", pa.int32()),
        pa.field("languages", pa.list_(pa.string())),
        pa.field("language_model", pa.string()),
        pa.field("license", pa.string()),
        pa.field("path", pa.string()),
    ]
)
CHECKS = pa.list_(CHECK)


def check_model(session: Session, spec: str) -> list[dict[str, Any]]:
    """One `CHECK` row: what cannot be found or read is a reason in the row, not an error."""
    try:
        with session.access() as access:
            model = resolve_any(session, spec, access)
    except ModelError as error:
        return [{"model": spec, "predict": False, "build": False, "problem": str(error)}]
    return [{"model": _shown(model), **_row(model.folder), "path": str(model.folder)}]


def check_usable(folder: Path) -> None:
    """Refuse a folder that neither PREDICT nor BUILD can use; the weights are not read.

    Raises:
        ModelError: why, as `thano_check` says it.
    """
    predict, build = _problems(folder)
    if predict and build:
        raise ModelError(str(_first_problem(folder, predict, build)))


def resolve_any(session: Session, spec: str, access: Access) -> resolve.ResolvedModel:
    """What a name means, also a folder whose files are broken.

    Raises:
        ModelError: there is no such model, or the database may not read its folder.
    """
    model = resolve.resolve(
        spec, session.registry, allow_external=may_use(spec, access), checks_folder=False, is_base=True
    )
    if not model.folder.is_dir():
        raise ModelError(f"the model folder {model.folder} is a file, not a folder")
    if resolve.is_path(spec) and not access.allows_folder(model.folder / LANGUAGE_MODEL_FOLDER):
        raise ModelError(f"this database may not read the folder {model.folder}")
    if model.notice:
        session.notice(model.notice)
    return model


def _shown(model: resolve.ResolvedModel) -> str:
    return model.name if model.version is None else f"{model.name}@{model.version}"


def _row(folder: Path) -> dict[str, Any]:
    from thano_duckdb.speech.recognizer.checkpoint_facts import CheckpointFacts

    predict, build = _problems(folder)
    facts = dataclasses.asdict(CheckpointFacts.read(folder))
    problem = _first_problem(folder, predict, build)
    return {"predict": predict is None, "build": build is None, "problem": problem, **facts}


def _first_problem(folder: Path, predict: str | None, build: str | None) -> str | None:
    """The problem to report: that of PREDICT, but of an encoder that BUILD cannot use either, the reason for that."""
    if predict and build and (folder / "config.json").is_file() and not has_vocabulary(folder):
        return build  # PREDICT advises BUILD
    return predict or build


def _problems(folder: Path) -> tuple[str | None, str | None]:
    """Why PREDICT and why BUILD cannot use a folder; None where they can."""
    from thano_duckdb.speech.libraries import require_libraries

    require_libraries()
    from thano_duckdb.speech.loading import check_loadable
    from thano_duckdb.training.network import check_trainable

    return (
        _problem(lambda: check_loadable(folder, _any_language(folder))),
        _problem(lambda: check_trainable(folder, _any_language(folder))),
    )


def _any_language(folder: Path) -> str | None:
    """A language that PREDICT and BUILD can be asked for, where a checkpoint of many has no default."""
    languages = read_languages(folder)
    if languages is None or languages.default is not None:
        return None
    return next(iter(usable_languages(folder, languages)), None)


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except ThanoError as error:
        return str(error)
    return None


FUNCTIONS = (
    Function(
        "_thano_check",
        per_row(check_model, CHECKS),
        CHECKS,
        (arguments.text("the model", required=True),),
        changes_something=True,
    ),
)
