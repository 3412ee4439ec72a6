"""A DuckDB connection whose statements may be ours, and what it holds for our functions."""

from __future__ import annotations

from .connection import Connection
from .interrupts import deferred_interrupt
from .running_statement import TRANSCRIPTS_KEPT
from .session import Settings

__all__ = ["TRANSCRIPTS_KEPT", "Connection", "Settings", "deferred_interrupt"]
