"""What to say where DuckDB cannot read the file of a COPY with OPTIONS: its advice is for its own reader."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from thano_duckdb.dialect import Copy, Plan
from thano_duckdb.errors import ThanoError, brief

_NOT_UTF8 = re.compile(r"not utf-8 encoded|invalid UTF-8 encoding", re.IGNORECASE)
_SETTINGS = re.compile(r"Possible (solution|fix)", re.IGNORECASE)
_FILE = re.compile(r'^  file = (?P<csv>.*)$|in file "(?P<json>.*?)", at', re.MULTILINE)


def unread_table(message: str, plan: Plan | None) -> ThanoError | None:
    """The error for a file that is not UTF-8; None where `message`, of DuckDB's, is about something else."""
    copied = _copied(message, plan) if _NOT_UTF8.search(message) else None
    if copied is None:
        return None
    file = brief(copied.file.text)
    if copied.table_reader == "read_csv":
        encoded = copied.in_duckdb(", encoding='latin-1'")
        return ThanoError(f"{file} is not UTF-8: name its encoding, as in {encoded}")
    return ThanoError(f"{file} is not UTF-8, as JSON must be: convert it, for example by iconv -f latin1 -t utf-8")


def settings_advice(message: str, plan: Plan | None) -> str | None:
    """A sentence to add to a message of DuckDB's that proposes settings of its reader; None where it proposes none."""
    copied = _copied(message, plan) if _SETTINGS.search(message) else None
    if copied is None:
        return None
    return f"COPY with OPTIONS has none of these settings: write {copied.in_duckdb(', ..')}"


def _copied(message: str, plan: Plan | None) -> Copy | None:
    """The COPY of a text that a message is about, by the file that it names if there are several."""
    copies = [] if plan is None else [node for node in plan.statements if isinstance(node, Copy) and node.table_reader]
    named = _FILE.search(message)
    file = (named["csv"] or named["json"]) if named else ""
    about = (node for node in copies if node.file.text == file or fnmatch(file, node.file.text))
    return next(about, copies[0] if copies else None)
