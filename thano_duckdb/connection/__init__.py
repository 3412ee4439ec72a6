"""A DuckDB connection whose statements may be ours, and what it holds for our functions."""

from __future__ import annotations

from .connection import Connection
from .session import Settings

__all__ = ["Connection", "Settings"]
