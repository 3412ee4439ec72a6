"""The statements `PREDICT USING`, `BUILD MODEL` and their kin, and how they become DuckDB SQL.

Nothing here opens a connection, reads a file or loads a model.
"""

from __future__ import annotations

from .diagnose import missing_column, unknown_model
from .nodes import (
    Build,
    Convert,
    Copy,
    Delete,
    Evaluate,
    Fit,
    GetDataset,
    GetModel,
    ListAll,
    Name,
    Node,
    Predict,
    PrintAudio,
    QueryNode,
    Search,
    Upload,
)
from .option import Option, Statement
from .options import OPTIONS, Options
from .parser import parse
from .rewrite import Plan, plan, rewrite
from .script import split_statements
from .span import Span

__all__ = [
    "OPTIONS",
    "Build",
    "Convert",
    "Copy",
    "Delete",
    "Evaluate",
    "Fit",
    "GetDataset",
    "GetModel",
    "ListAll",
    "Name",
    "Node",
    "Option",
    "Options",
    "Plan",
    "Predict",
    "PrintAudio",
    "QueryNode",
    "Search",
    "Span",
    "Statement",
    "Upload",
    "missing_column",
    "parse",
    "plan",
    "rewrite",
    "split_statements",
    "unknown_model",
]
