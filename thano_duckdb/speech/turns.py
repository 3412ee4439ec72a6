"""Merge the words of the channels of a conversation into turns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .scripts import joined
from .transcript import Word

PAUSE_S = 0.5
"""A speaker who pauses longer may have been answered meanwhile."""


@dataclass(frozen=True)
class Turn:
    """What one speaker says until another one begins.

    Attributes:
        channel: whose.
        words: in their order, at least one.
    """

    channel: int | None
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        """When the first word begins."""
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        """When the last word ends."""
        return max(word.end_s for word in self.words)

    @property
    def text(self) -> str:
        """The words with spaces between them, but none beside a letter of a script without spaces."""
        return joined(word.word for word in self.words)


def turns(channels: Iterable[tuple[int | None, Sequence[Word]]], *, pause_s: float = PAUSE_S) -> list[Turn]:
    """The turns of a conversation in the order in which they begin.

    The words of a channel stay together up to a pause of more than `pause_s`, also where another speaker talks at the
    same time. What follows on the same channel without another speaker in between is one turn, however long the pause.

    >>> hello, hi, you = Word("hello", 0.0, 0.4, 1.0), Word("hi", 0.8, 1.0, 1.0), Word("you", 1.5, 1.8, 1.0)
    >>> [(turn.channel, turn.text) for turn in turns([(1, [hello, you]), (2, [hi])])]
    [(1, 'hello'), (2, 'hi'), (1, 'you')]
    """
    spoken = [part for channel, words in channels for part in _without_pauses(channel, words, pause_s)]
    spoken.sort(key=lambda part: part.start_s)
    return [
        Turn(channel, tuple(word for part in parts for word in part.words))
        for channel, parts in itertools.groupby(spoken, key=lambda part: part.channel)
    ]


def _without_pauses(channel: int | None, words: Sequence[Word], pause_s: float) -> Iterator[Turn]:
    held: list[Word] = []
    for word in sorted(words, key=lambda each: each.start_s):
        if held and word.start_s - held[-1].end_s > pause_s:
            yield Turn(channel, tuple(held))
            held = []
        held.append(word)
    if held:
        yield Turn(channel, tuple(held))
