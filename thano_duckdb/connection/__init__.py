"""A DuckDB connection whose statements may be ours, and what it holds for our functions."""

from __future__ import annotations

from .connection import Connection
from .interrupts import delayed_interrupts
from .running_statement import TRANSCRIPTS_KEPT
from .session import Settings

__all__ = ["TRANSCRIPTS_KEPT", "Connection", "Settings", "delayed_interrupts"]
