"""What to write where a query reads a folder or an audio file as if it were a table: `FROM 'calls'`."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import PurePath

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.audio.source import Clip
from thano_duckdb.dialect import quoted_tables
from thano_duckdb.dialect.quoting import literal
from thano_duckdb.errors import DialectError, brief
from thano_duckdb.models.datasets import where_it_is

_NO_TABLE = re.compile(r"Table with name .* does not exist|capable of reading the file ", re.DOTALL)


def unread_recordings(message: str, sql: str, may_read: Callable[[str], bool]) -> DialectError | None:
    """The error at the place of a folder or audio file that exists and is read as a table; None where there is none.

    Args:
        message: of DuckDB's error.
        sql: the text as the user wrote it.
        may_read: whether the database may read a path; one that it may not read is as if it did not exist.
    """
    if not _NO_TABLE.search(message):
        return None
    for table in quoted_tables(sql):
        kind = _kind(table.text, may_read) if table.text in message else ""
        if kind:
            problem = f"{brief(table.text)} is {kind}, not a table: write FROM thano_audio({literal(table.text)})"
            return DialectError(problem, sql, table.span.start)
    return None


def _kind(location: str, may_read: Callable[[str], bool]) -> str:
    """What of recordings a path names; empty where it names nothing that exists, or something else."""
    clip = Clip.of(location)
    if clip.is_url:
        return ""
    path = where_it_is(clip.written_path)
    if os.path.isdir(path):
        return "a folder" if may_read(os.path.join(path, "recording")) else ""
    if os.path.isfile(path):
        return "an audio file" if _is_audio(path) and may_read(path) else ""
    if any(_is_audio(match) and may_read(match) for match in glob.iglob(path)):
        return "a pattern of audio files"
    return ""


def _is_audio(path: str) -> bool:
    return PurePath(path).suffix.lower() in AUDIO_SUFFIXES
