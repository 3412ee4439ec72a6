"""DuckDB's own COPY of a folder reads its CSV files: where it holds audio too, the user is told how to read that."""

from __future__ import annotations

import os
from pathlib import Path

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.dialect import plain_copies


def unread_audio(sql: str) -> str | None:
    """The sentence to warn of once `sql` has run; None where it copies no folder that holds audio."""
    for copied in plain_copies(sql):
        if _holds_audio(copied.path):
            return (
                f"COPY without OPTIONS is DuckDB's own, and reads only the CSV files of a folder. For its audio write "
                f"{copied.with_options(append=True)}."
            )
    return None


def _holds_audio(folder: str) -> bool:
    names = (name for _, _, names in os.walk(os.path.expanduser(folder)) for name in names)
    return any(Path(name).suffix.lower() in AUDIO_SUFFIXES for name in names)
