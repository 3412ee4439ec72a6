"""The statements `PREDICT USING`, `BUILD MODEL` and so on, and how they become DuckDB SQL.

Nothing here opens a connection, reads a file or loads a model.
"""

from __future__ import annotations

from .changing_calls import ChangingCall, changing_calls
from .diagnose import missing_column, quoted_tables, unknown_model
from .explain import PlannedStatement, planned_statements
from .given_options import GivenOptions
from .lexer import check_is_text
from .near_misses import hint, near_miss, plain_copies
from .nodes import ROWS, Name, Node, QueryNode
from .parser import parse
from .rewrite import Plan, plan, rewrite, rewrite_to_find_tables
from .script import is_whole, split_statements, statement_spans, statements_in_place
from .span import Span
from .statements.build_and_fit import Build, Fit
from .statements.catalog import Delete, Describe, GetDataset, GetModel, ListAll, Upload
from .statements.copy_from import Copy
from .statements.transcription import Evaluate, Predict, PrintAudio
from .whole_statements import WholeReading

__all__ = [
    "ROWS",
    "Build",
    "ChangingCall",
    "Copy",
    "Delete",
    "Describe",
    "Evaluate",
    "Fit",
    "GetDataset",
    "GetModel",
    "GivenOptions",
    "ListAll",
    "Name",
    "Node",
    "Plan",
    "PlannedStatement",
    "Predict",
    "PrintAudio",
    "QueryNode",
    "Span",
    "Upload",
    "WholeReading",
    "changing_calls",
    "check_is_text",
    "hint",
    "is_whole",
    "missing_column",
    "near_miss",
    "parse",
    "plain_copies",
    "plan",
    "planned_statements",
    "quoted_tables",
    "rewrite",
    "rewrite_to_find_tables",
    "split_statements",
    "statement_spans",
    "statements_in_place",
    "unknown_model",
]
