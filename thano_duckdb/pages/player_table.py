"""PRINT AUDIO: a table with a player a row."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.errors import ThanoError
from thano_duckdb.functions.audio_info import AUDIO_INFO

from .page import Page, count, render
from .players import NO_ROOM, Player, players
from .tables import audio_values, shown, values_at

MAX_ROWS = 50


@dataclass(frozen=True)
class Row:
    """A clip in the table.

    Attributes:
        player: None where there is none.
        reason: why there is none; None for NULL too.
        failed: whether the clip cannot be read, in contrast to one that finds no room.
        cells: the other columns, as text.
    """

    player: Player | None
    reason: str | None
    failed: bool
    cells: tuple[str, ...]


def player_table(table: pa.Table, *, audio_col: str, allow_external: bool) -> Page:
    """The rows of PRINT AUDIO with their players.

    Args:
        table: the columns of the query, then those of `thano_audio_info`.
        audio_col: the column of paths, URLs or contents of files.
        allow_external: whether paths and URLs may be read.

    Raises:
        ThanoError: there is no such column, or it holds no audio.
    """
    names = table.column_names
    place = next((at for at, name in enumerate(names) if name.casefold() == audio_col.casefold()), None)
    if place is None:
        raise ThanoError(f"there is no column '{audio_col}' to hear; there are: {', '.join(names)}")
    own = _without_info(names)
    places = range(min(table.num_rows, MAX_ROWS))
    found = players(audio_values(table.column(place), audio_col, places), allow_external=allow_external)
    columns = [[shown(value) for value in values_at(table.column(at), places)] for at in own]
    rows = [_row(each, tuple(column[at] for column in columns)) for at, each in enumerate(found)]
    return render(
        "player_table.html",
        count(table.num_rows, "audio clip"),
        names=[names[at] for at in own],
        rows=rows,
        n_rows=table.num_rows,
    )


def _row(found: Player | AudioFailure | None, cells: tuple[str, ...]) -> Row:
    if isinstance(found, AudioFailure):
        return Row(None, found.reason, found is not NO_ROOM, cells)
    return Row(found, None, False, cells)


def _without_info(names: list[str]) -> range:
    """The places of the query's own columns: those of `thano_audio_info` stand last, and the player says the same."""
    info = [field.name for field in AUDIO_INFO]
    n_own = len(names) - len(info)
    return range(n_own if n_own >= 0 and names[n_own:] == info else len(names))
