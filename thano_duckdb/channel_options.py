"""The option `channel`, a part of the table in `options`: which channel of a recording is read.

Users count channels from 1, as DuckDB's lists and sox do; `Clip.with_channel` turns that into an index.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

MAX_CHANNELS = 1024
"""The most that libsndfile takes."""

_ONE_TEXT = frozenset({StatementKind.EVALUATE, StatementKind.BUILD, StatementKind.FIT})
_ASKS_FOR_EACH = ("each", "all", "both", "split")


def _channel(*choices: str, used_by: frozenset[StatementKind], meaning: str, instead_of_each: str) -> Option:
    return Option(
        "channel",
        f"the channel that is read, counted from 1, or `'mix'`, the mean of all{meaning}",
        ValueKind.CHOICE_OR_INTEGER,
        choices=choices,
        default="mix",
        at_least=1,
        at_most=MAX_CHANNELS,
        advice=(
            ("0", "channels are counted from 1, which is the left one of two"),
            ("left", "the left channel is 1"),
            ("right", "the right channel is 2"),
            ("mono", "'mix' is the mean of all channels"),
            *((text, instead_of_each) for text in _ASKS_FOR_EACH),
        ),
        used_by=used_by,
    )


CHANNEL_OPTIONS = (
    _channel(
        "mix",
        "each",
        used_by=frozenset({StatementKind.PREDICT}),
        meaning=", or `'each'`, a row per channel: see [Channels](docs/channels.md)",
        instead_of_each="'each' gives a row per channel",
    ),
    _channel(
        "mix",
        used_by=_ONE_TEXT,
        meaning="",
        instead_of_each="each row has one text, so name the channel that it belongs to",
    ),
    _channel(
        "mix",
        used_by=frozenset({StatementKind.PRINT_AUDIO}),
        meaning="",
        instead_of_each="a player plays the mix or one channel, so name the one to listen to",
    ),
)
