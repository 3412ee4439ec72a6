"""The registry in SQL: `thano_models()`, `thano_datasets()`, and what UPLOAD, DELETE and GET become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from thano_duckdb.caller import warn
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ModelError, RegistryError, ThanoError
from thano_duckdb.models import resolve
from thano_duckdb.models.built_in_models import BUILT_IN_MODELS, LANGUAGE_MODEL, BuiltInModel, find_built_in
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_FOLDER
from thano_duckdb.models.datasets import DATASETS, Dataset, copy_dataset, find_dataset
from thano_duckdb.models.registry import ModelEntry
from thano_duckdb.option import StatementKind

from . import arguments
from .arguments import Argument
from .arrow import Function, parse_options, per_row
from .model_check import check_usable

MODEL = pa.struct(
    [
        pa.field("name", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("kind", pa.string()),
        pa.field("base", pa.string()),
        pa.field("created", pa.timestamp("us", tz="UTC")),
        pa.field("path", pa.string()),
        pa.field("description", pa.string()),
    ]
)
DATASET = pa.struct(
    [
        pa.field("name", pa.string()),
        pa.field("data_type", pa.string()),
        pa.field("path", pa.string()),
        pa.field("description", pa.string()),
    ]
)


def list_models(session: Session) -> list[dict[str, Any]]:
    """The registry's models, every version, then the built-in names."""
    built_in = (_built_in_row(name, model) for model in BUILT_IN_MODELS for name in model.names)
    models = (model_row(entry) for entry in session.registry.entries(report_damaged=warn))
    return [*models, *built_in, BUNDLED_LANGUAGE_MODEL]


def model_row(entry: ModelEntry) -> dict[str, Any]:
    """A row of `thano_models()`."""
    return {
        "name": entry.name,
        "version": entry.version,
        "kind": entry.kind,
        "base": entry.base,
        "created": entry.created,
        "path": str(entry.path),
        "description": entry.description,
    }


BUNDLED_LANGUAGE_MODEL = {
    "name": LANGUAGE_MODEL,
    "kind": "built-in",
    "description": "language model: English, which ships with the package",
}


def _built_in_row(name: str, model: BuiltInModel) -> dict[str, Any]:
    base = f"hf://{model.repo_id}" if model.repo_id is not None else None
    return {"name": name, "kind": "built-in", "base": base, "description": model.description}


def list_datasets(session: Session) -> list[dict[str, Any]]:
    """The data sets that GET THANOSQL DATASET offers; their path is relative to the working folder."""
    return [_dataset_row(dataset, dataset.folder) for dataset in DATASETS]


def _dataset_row(dataset: Dataset, path: str) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "data_type": dataset.data_type,
        "path": path,
        "description": dataset.description,
    }


def upload_model(session: Session, name: str, folder: str, options: str | None) -> list[dict[str, Any]]:
    """UPLOAD MODEL: copy a checkpoint folder into the registry."""
    session.check_asked_for("upload_model", name=name, folder=folder, options=options)
    resolve.refuse_address(folder, "UPLOAD MODEL takes a folder")
    source = resolve.local_folder(folder)
    with session.access() as access:
        if not (access.allows_folder(source) and access.allows_folder(source / LANGUAGE_MODEL_FOLDER)):
            raise ModelError(
                f"this database may not read the folder {folder} (enable_external_access=false, or it is not within "
                f"its allowed_directories)"
            )
        session.check_changes_allowed(access, "UPLOAD MODEL")
    chosen = parse_options(options, "thano_upload_model", StatementKind.UPLOAD)
    overwrite = chosen.get("overwrite", False)
    session.registry.free_name(name, overwrite=overwrite)
    check_usable(source)
    return [model_row(session.registry.upload(name, source, overwrite=overwrite))]


def delete_model(
    session: Session, name: str, if_exists: bool = False, is_language_model: bool | None = None
) -> list[dict[str, Any]]:
    """DELETE MODEL: every version of a name, or one (`name@2`). Returns a row for each one deleted.

    With `if_exists` a name that does not exist gives no row, and is no error. With `is_language_model` no acoustic
    model is deleted.
    """
    session.check_asked_for("delete_model", name=name, if_exists=if_exists, is_language_model=is_language_model)
    with session.access() as access:
        session.check_changes_allowed(access, "DELETE MODEL")
    if is_language_model:
        _check_language_model(session, name)
    if if_exists and session.registry.find(name) is None and not find_built_in(name):
        return []
    return [model_row(entry) for entry in session.registry.delete(name)]


def _check_language_model(session: Session, name: str) -> None:
    entry = session.registry.find(name)
    if entry is not None and not entry.is_language_model:
        raise RegistryError(f"'{name}' is an acoustic model, which DELETE MODEL removes")
    if name.casefold() == LANGUAGE_MODEL:
        raise RegistryError(f"the language model '{name}' is built in and cannot be deleted")


def get_model(session: Session, name: str, options: str | None) -> list[dict[str, Any]]:
    """GET THANOSQL MODEL: download a built-in or hub model, and register it under `model_name` if that is given."""
    session.check_asked_for("get_model", name=name, options=options)
    chosen = parse_options(options, "thano_get_model", StatementKind.GET_MODEL)
    wanted = chosen.get("model_name")
    built_in = find_built_in(wanted or name)
    with session.access() as access:
        if built_in is not None and built_in is find_built_in(name):
            # Of two names for the same model, the one that will be used: tutorial_audio_recognition needs no hub.
            resolved = session.resolve(wanted or name, access)
            found = find_built_in(resolved.name) or built_in  # a model that stands in describes itself
            return [{**_built_in_row(wanted or name, found), "path": str(resolved.folder)}]
        session.check_changes_allowed(access, "GET THANOSQL MODEL")
        overwrite = chosen.get("overwrite", False)
        session.registry.free_name(wanted or name, overwrite=overwrite)  # before anything is downloaded
        resolved = session.resolve(name, access, is_base=True)
    check_usable(resolved.folder)
    return [model_row(session.registry.upload(wanted or name, resolved.folder, overwrite=overwrite))]


def get_dataset(session: Session, name: str, options: str | None) -> list[dict[str, Any]]:
    """GET THANOSQL DATASET: lay out a data set in the working folder."""
    session.check_asked_for("get_dataset", name=name, options=options)
    chosen = parse_options(options, "thano_get_dataset", StatementKind.GET_DATASET)
    dataset = find_dataset(name)
    with session.access() as access:
        if access.is_read_only:
            raise ThanoError(f"the database is open read-only: GET THANOSQL DATASET {dataset.name} is refused")
        if not access.allows_folder(Path.cwd() / dataset.folder):
            raise ThanoError(
                f"this database may not write files here (enable_external_access=false, or the folder is not within "
                f"its allowed_directories), so '{dataset.name}' cannot be written"
            )
    folder = copy_dataset(dataset, Path.cwd(), overwrite=chosen.get("overwrite", False))
    return [_dataset_row(dataset, str(folder))]


def _function(name: str, body: Callable[..., list[dict[str, Any]]], row: pa.DataType, *takes: Argument) -> Function:
    """A function that returns rows: a list, which the table macro of the same name unnests."""
    return Function(name, per_row(body, pa.list_(row)), pa.list_(row), takes, changes_something=True)


_NAME = arguments.text("the name", required=True)
_FOLDER = arguments.text("the folder", required=True)

FUNCTIONS = (
    _function("_thano_models", list_models, MODEL),
    _function("_thano_datasets", list_datasets, DATASET),
    _function("_thano_upload_model", upload_model, MODEL, _NAME, _FOLDER, arguments.options),
    _function("_thano_delete_model", delete_model, MODEL, _NAME),
    _function("_thano_get_model", get_model, MODEL, _NAME, arguments.options),
    _function("_thano_get_dataset", get_dataset, DATASET, _NAME, arguments.options),
)
