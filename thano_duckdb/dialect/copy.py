"""COPY with OPTIONS: which of DuckDB's readers takes the file, and the statement around it."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from .nodes import Copy
from .quoting import brief, literal

_COMPRESSED = frozenset({".gz", ".gzip", ".zst", ".zstd"})
_READERS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "read_csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "read_json"),
    **dict.fromkeys((".parquet", ".pqt"), "read_parquet"),
}
# What libsndfile reads: https://libsndfile.github.io/libsndfile/formats.html
_AUDIO = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64"}
) | {".rf64"}
_REFUSED = {
    **dict.fromkeys(
        (".pkl", ".pickle"),
        "A pickle can run code when it is read: export the table as parquet or csv, and COPY that",
    ),
    **dict.fromkeys(
        (".xls", ".xlsx", ".xlsm", ".xlsb"), "Excel files are not read: save the sheet as csv, and COPY that"
    ),
}


def copy_sql(node: Copy) -> str:
    """The DuckDB statements that a COPY with OPTIONS becomes.

    Raises:
        DialectError: the file is of a kind that is not read.
    """
    table, reader = node.table.text, f"SELECT * FROM {_reader(node)}({literal(node.file.text)})"
    exists = "replace" if node.options["overwrite"] else node.options["if_exists"]
    if exists == "replace":
        return f"CREATE OR REPLACE TABLE {table} AS {reader}"
    if exists == "append":
        return f"CREATE TABLE IF NOT EXISTS {table} AS {reader} LIMIT 0; INSERT INTO {table} BY NAME {reader}"
    return f"CREATE TABLE {table} AS {reader}"


def _reader(node: Copy) -> str:
    """The table function for the file of a COPY, by the end of its name."""
    path = node.file.text
    suffix = _suffix(path)
    if suffix not in _READERS and "://" in path:
        suffix = _suffix(urlsplit(path).path)  # behind a ? or a # an address goes on, where a path may hold them
    if suffix in _READERS:
        return _READERS[suffix]
    if not suffix or suffix in _AUDIO:
        return "thano_audio"
    problem = _REFUSED.get(
        suffix,
        f"COPY does not read {brief(suffix)} files: it reads csv, tsv, parquet, json and jsonl, and folders of audio"
        " (with a / at the end where the name has a .)",
    )
    raise node.error(problem, node.file.span)


def _suffix(path: str) -> str:
    """The last extension of a path, in small letters, before a compression's; empty for a folder."""
    if path.endswith(("/", "\\")):
        return ""
    suffixes = PurePosixPath(path.replace("\\", "/").lower()).suffixes
    if len(suffixes) > 1 and suffixes[-1] in _COMPRESSED:
        return suffixes[-2]
    return suffixes[-1] if suffixes else ""
