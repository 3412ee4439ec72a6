"""PRINT AUDIO: a table with one player per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.limits import DEFAULT_LIMITS, ReadLimits
from thano_duckdb.errors import ThanoError
from thano_duckdb.functions.audio_column import located
from thano_duckdb.functions.audio_info import AUDIO_INFO

from .page import Page, count, render
from .players import NO_ROOM, Player, players
from .tables import audio_values, shown, values_at

MAX_ROWS = 50


@dataclass(frozen=True)
class PlayerRow:
    """A clip in the table.

    Attributes:
        player: None if there is none.
        reason: why there is none; None if the audio is NULL.
        failed: whether the clip cannot be read; False if the page had no room for it.
        cells: the other columns, as text.
    """

    player: Player | None
    reason: str | None
    failed: bool
    cells: tuple[str, ...]


def player_table(
    table: pa.Table,
    *,
    audio_col: str,
    may_read: Callable[[str], bool],
    relative_to: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Page:
    """The rows of PRINT AUDIO with their players.

    Args:
        table: the columns of the query, then those of `thano_audio_info`.
        audio_col: the column of audio.
        may_read: tells whether a path or URL may be read.
        relative_to: the column of the files that relative paths stand in.
        options: of the statement: which part of each clip is played.
        limits: on reading one clip.

    Raises:
        ThanoError: the column does not exist, or does not hold audio.
    """
    names = table.column_names
    column = table.column(_position(names, audio_col))
    if relative_to is not None:
        column = located(column, table.column(_position(names, relative_to)))
    own = _without_info(names)
    row_indices = range(min(table.num_rows, MAX_ROWS))
    values = audio_values(column, audio_col, row_indices)
    found = players(values, may_read=may_read, limits=limits, options=options)
    columns = [[shown(value) for value in values_at(table.column(at), row_indices)] for at in own]
    rows = [_row(each, tuple(column[at] for column in columns)) for at, each in enumerate(found)]
    return render(
        "player_table.html",
        count(table.num_rows, "audio clip"),
        names=[names[at] for at in own],
        rows=rows,
        n_rows=table.num_rows,
    )


def _position(names: list[str], name: str) -> int:
    """The index of a column, whatever the case of its name.

    Raises:
        ThanoError: there is none.
    """
    folded = [each.casefold() for each in names]
    if name.casefold() not in folded:
        raise ThanoError(f"there is no column '{name}' with audio; the columns are: {', '.join(names)}")
    return folded.index(name.casefold())


def _row(found: Player | AudioFailure | None, cells: tuple[str, ...]) -> PlayerRow:
    if isinstance(found, AudioFailure):
        return PlayerRow(None, found.reason, found is not NO_ROOM, cells)
    return PlayerRow(found, None, False, cells)


def _without_info(names: list[str]) -> range:
    """The indices of the query's own columns: those of `thano_audio_info` come last, and the player shows the same."""
    info = [field.name for field in AUDIO_INFO]
    n_own = len(names) - len(info)
    return range(n_own if n_own >= 0 and names[n_own:] == info else len(names))
