"""COPY with OPTIONS, which DuckDB's own does not have, makes a table of a file, a folder of audio, or JSON records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self
from urllib.parse import urlsplit

from duckdb import token_type

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.dialect.lexer import Tokens
from thano_duckdb.dialect.nodes import Name, Node
from thano_duckdb.dialect.option_reader import read_options
from thano_duckdb.dialect.quoting import literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.errors import brief
from thano_duckdb.option import StatementKind

from .json_records import records
from .syntax import Syntax, written_at

_AUDIO_READER = "thano_copied_audio"
_RECORDS = re.compile(r"\s*\[\s*(\{|\]\s*$)")
_EXTENSION = re.compile(r"\.[0-9]?[a-z][a-z0-9]*")
_NAMES = frozenset({token_type.identifier, token_type.keyword})
_COMPRESSED = frozenset({".gz", ".gzip", ".zst", ".zstd"})
_READERS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "read_csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "read_json"),
    **dict.fromkeys((".parquet", ".pqt"), "read_parquet"),
}
TABLE_SUFFIXES = frozenset(_READERS)
"""Of the files of tables that COPY reads."""
_REFUSED = {
    **dict.fromkeys(
        (".pkl", ".pickle"),
        "A pickle can run code when it is read: export the table as parquet or csv, and COPY that",
    ),
    **dict.fromkeys(
        (".xls", ".xlsx", ".xlsm", ".xlsb"), "Excel files are not read: save the sheet as csv, and COPY that"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Node):
    """`COPY table OPTIONS (..) FROM 'file or folder'`."""

    kind = StatementKind.COPY
    table: Name
    file: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `table OPTIONS (..) FROM 'file or folder'`."""
        table = reader.table()
        options = read_options(reader, cls.kind)
        if reader.word == "to":
            raise reader.error(
                "COPY with OPTIONS reads into a table; to write a file use DuckDB's COPY table TO 'file'"
            )
        reader.expect("FROM", "COPY table OPTIONS (..) is followed by FROM and a file")
        if reader.word in ("?", "$"):
            raise reader.error("The file of COPY is written in the text: a parameter cannot stand here")
        file = reader.quoted("file")
        if reader.word in ("(", "with"):
            raise reader.error("OPTIONS and the options of DuckDB's own COPY do not go together: use one of them")
        overwrite = options.find("overwrite")
        if overwrite is not None and options.find("if_exists") is not None:
            raise reader.error("overwrite and if_exists say the same: give one of them", overwrite.name_span.start)
        reader.expect_end()
        return cls(table=table, file=file, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A CREATE TABLE or INSERT from one of DuckDB's readers.

        Raises:
            DialectError: the file is of a kind that is not read.
        """
        table, rows = self.table.text, _rows(self)
        exists = "replace" if self.options["overwrite"] else self.options["if_exists"]
        if exists == "replace":
            # A file with a header only is most likely a mistake, and the old table would be lost.
            # DuckDB gives the rows of the first SELECT of a text as its result: the count, as CREATE TABLE would.
            check = self.table_reader and (
                f'SELECT "Count" FROM ({_counted(rows)}) '
                f'WHERE thano_check_rows("Count", {literal(self.file.text)}, {literal(self.in_duckdb())}); '
            )
            return f"{check or ''}CREATE OR REPLACE TABLE {table} AS {rows}", ""
        if exists == "append":
            # DuckDB's readers refuse a missing file when they are bound, `thano_copied_audio` only when it is read.
            check = f"{_counted(rows)}; " if f"FROM {_AUDIO_READER}(" in rows else ""
            return (
                f"{check}CREATE TABLE IF NOT EXISTS {table} AS {rows} LIMIT 0; INSERT INTO {table} BY NAME {rows}"
            ), ""
        return f"CREATE TABLE {table} AS {rows}", ""

    @property
    def table_reader(self) -> str | None:
        """The function of DuckDB's that reads the file of a table; None where it is audio or records in the text.

        Raises:
            DialectError: the file is of a kind that is not read.
        """
        if _RECORDS.match(self.file.text):
            return None
        reader = _reader(self)
        return reader if reader != _AUDIO_READER else None

    def in_duckdb(self, settings: str = "") -> str:
        """The same in DuckDB's own words, with settings of its reader such as `, encoding='latin-1'`, which we lack."""
        exists = "replace" if self.options["overwrite"] else self.options["if_exists"]
        start = {"replace": "CREATE OR REPLACE TABLE {} AS", "append": "INSERT INTO {} BY NAME"}
        file = literal(self.file.text)
        if any(char in self.file.text for char in "*?["):
            file = f"thano_file({file})"  # a file that exists is not a pattern
        into = start.get(str(exists), "CREATE TABLE {} AS").format(self.table.text)
        return f"{into} FROM {self.table_reader}({file}{settings})"


def _rows(node: Copy) -> str:
    """The query that reads what a COPY names: records of JSON in the text itself, a file, or audio.

    Raises:
        DialectError: it is of a kind that is not read.
    """
    path = node.file.text
    if _RECORDS.match(path):
        try:
            return f"SELECT unnest({records(path)}, max_depth := 2)"
        except ValueError as error:
            raise node.error(f"The JSON records of COPY cannot be read: {error}", node.file.span) from None
    reader, file = _reader(node), literal(path)
    if reader != _AUDIO_READER and "://" not in path:
        file = f"thano_copied_file({file})"
    schema = "" if reader == _AUDIO_READER else "system.main."  # a macro of the reader's name is not meant
    return f"SELECT * FROM {schema}{reader}({file})"


def _counted(rows: str) -> str:
    """The query that counts what `_rows` reads from a file."""
    return rows.replace("*", 'system.main.count_star() AS "Count"', 1)


def _reader(node: Copy) -> str:
    """The table function for the file of a COPY, by the end of its name."""
    path = node.file.text
    suffix = suffix_of(path)
    if suffix not in _READERS and "://" in path:
        suffix = suffix_of(urlsplit(path).path)  # in an address a ? or a # ends the path
    if suffix in _READERS:
        return _READERS[suffix]
    if not suffix or suffix in AUDIO_SUFFIXES:
        return _AUDIO_READER
    problem = _REFUSED.get(
        suffix,
        f"COPY does not read {brief(suffix)} files: it reads csv, tsv, parquet, json and jsonl, and folders of audio"
        " (with a / at the end where the name has a .)",
    )
    raise node.error(problem, node.file.span)


def suffix_of(path: str) -> str:
    """The last extension of a path, in small letters, before a compression's; empty for a folder."""
    if path.endswith(("/", "\\")):
        return ""
    suffixes = PurePosixPath(path.replace("\\", "/").lower()).suffixes
    if len(suffixes) > 1 and suffixes[-1] in _COMPRESSED:
        return suffixes[-2]
    # `calls.2024` and `v1.5 of May` are folders.
    return suffixes[-1] if suffixes and _EXTENSION.fullmatch(suffixes[-1]) else ""


def _has_options(tokens: Tokens, index: int) -> bool:
    """Whether COPY is followed by a table's name and OPTIONS, which DuckDB's own COPY never is."""
    index += 1
    if index >= len(tokens) or tokens.word(index) == "as" or tokens.kinds[index] not in _NAMES:
        return False
    index += 1
    while tokens.word(index) == ".":
        index += 2
    return tokens.word(index) == "options"


SYNTAXES = (Syntax(keywords="COPY", read=Copy.read, also_requires=_has_options),)
