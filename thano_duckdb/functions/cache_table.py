"""`thano_cache()`: what the lasting cache in the model home holds; and what DELETE CACHE becomes."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from thano_duckdb.caller import warn
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import RegistryError
from thano_duckdb.speech.cache import process_cache
from thano_duckdb.speech.lasting_cache.open_stores import OpenStore, open_store, replace_store
from thano_duckdb.speech.lasting_cache.sqlite_store import FILE_NAME
from thano_duckdb.speech.lasting_cache.store import StoreError, UnusableStoreError

from . import arguments
from .arrow import Function, per_row

CACHED = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("language", pa.string()),
        pa.field("precision", pa.string()),
        pa.field("decoder", pa.string()),
        pa.field("skip_silence", pa.bool_()),
        pa.field("level", pa.string()),
        pa.field("clips", pa.int64()),
        pa.field("hours", pa.float64()),
        pa.field("bytes", pa.int64()),
        pa.field("first_used", pa.timestamp("us", tz="UTC")),
        pa.field("last_used", pa.timestamp("us", tz="UTC")),
        pa.field("fingerprint", pa.string()),
        pa.field("path", pa.string()),
    ]
)
_DECODER_LENGTH = 16
"""Characters of a decoder's fingerprint that are shown: `greedy`, or `beam` and some of its hash."""


def list_cache(session: Session) -> list[dict[str, Any]]:
    """A row for each model and decoder of which transcripts are kept; that last used first."""
    with session.access() as access:
        if not access.allows_folder(session.registry.home):
            raise RegistryError(
                "this database may not read the transcript cache (enable_external_access=false, or the model home is "
                "not within its allowed_directories)"
            )
    path = session.registry.home / FILE_NAME
    if not path.exists():
        return []
    try:
        opened = _opened(session, path)
        opened.writer.flush()
        return [_row(each, path) for each in opened.store.summary()]
    except StoreError as error:
        raise RegistryError(str(error)) from error


def delete_cache(session: Session, model: str | None) -> list[dict[str, Any]]:
    """DELETE CACHE: forget the transcripts of a model, or all. Returns a row for each model and decoder deleted.

    A store that cannot be read is moved aside, with a warning, where all of it is to be deleted.
    """
    session.check_asked_for("delete_cache", model=model)
    with session.access() as access:
        session.check_changes_allowed(access, "DELETE CACHE")
    process_cache().clear()
    path = session.registry.home / FILE_NAME
    if not path.exists():
        return []
    try:
        opened = _opened(session, path)
        opened.writer.flush()
        return [_row(each, path) for each in opened.store.delete(model)]
    except UnusableStoreError as error:
        if model is not None:
            raise RegistryError(str(error)) from error
        try:
            warn(f"The transcript cache {path} could not be read, and was moved to {replace_store(path)}.")
        except StoreError as problem:
            raise RegistryError(str(problem)) from error
        return []
    except StoreError as error:
        raise RegistryError(str(error)) from error


def _opened(session: Session, path: Path) -> OpenStore:
    return open_store(path, session.settings.cache_max_bytes)


def _row(found: dict[str, Any], path: Path) -> dict[str, Any]:
    return {
        "model": ", ".join(str(found["names"]).split("\n")),
        "language": found["language"],
        "precision": found["precision"],
        "decoder": str(found["decoder"])[:_DECODER_LENGTH],
        "skip_silence": bool(found["skip_silence"]),
        "level": found["level"],
        "clips": found["clips"],
        "hours": found["audio_s"] / 3600,
        "bytes": found["n_bytes"],
        "first_used": datetime.datetime.fromtimestamp(found["first_used"], datetime.UTC),
        "last_used": datetime.datetime.fromtimestamp(found["last_used"], datetime.UTC),
        "fingerprint": found["content"],
        "path": str(path),
    }


FUNCTIONS = (
    Function("_thano_cache", per_row(list_cache, pa.list_(CACHED)), pa.list_(CACHED)),
    Function(
        "_thano_delete_cache",
        per_row(delete_cache, pa.list_(CACHED)),
        pa.list_(CACHED),
        (arguments.text("the model"),),
        changes_something=True,
    ),
)
