"""From a transcript as people write it to the labels of a model: its alphabet, its case, nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .decoding.vocabulary import Vocabulary

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201b\u02bc\u2032`\u00b4\uff07", "'"))
_QUOTATION_MARK = re.compile(r"(?<![^\W\d_])'|'(?![^\W\d_])")
"""An apostrophe that is not between letters, as `speech.text.normalize` sees it."""
_PUNCTUATION_CATEGORIES = ("Z", "Cc", "Pd", "Pc", "Ps", "Pe", "Pi", "Pf")
_PUNCTUATION = frozenset('.,;:!?/\\"\u2026\u00a1\u00bf|*')
"""What nobody speaks: where the alphabet lacks it, it ends a word and is not told of."""


@dataclass(frozen=True)
class Labels:
    """A transcript as a model can write it.

    Attributes:
        ids: the label of each character.
        text: what they spell.
        dropped: characters that the alphabet lacks, and how often each was left out; punctuation is not counted.
    """

    ids: tuple[int, ...]
    text: str
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def n_frames_needed(self) -> int:
        """Frames that CTC needs at least: one a label, and a blank between two that are the same."""
        return len(self.ids) + sum(a == b for a, b in pairwise(self.ids))


class Alphabet:
    """The characters that a model can write."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Take the written tokens of one character, and the first delimiter as the space."""
        self._ids = {
            token: index
            for index, token in reversed(list(enumerate(vocabulary.tokens)))
            if token is not None and len(token) == 1 and index not in vocabulary.delimiter_ids
        }
        self._space = min(vocabulary.delimiter_ids, default=None)
        self._known: dict[str, str | None] = {}

    def labels(self, text: str) -> Labels:
        """The labels of a transcript.

        The case is that of the alphabet; typographic apostrophes become plain ones; accents go where the alphabet has
        only the base letter; as in `speech.text.normalize`, punctuation ends a word (`twenty-one` is two), unless the
        alphabet has it. Other characters that the alphabet lacks are dropped.
        """
        dropped: Counter[str] = Counter()
        spelled = []
        for char in _QUOTATION_MARK.sub(" ", unicodedata.normalize("NFC", text).translate(_APOSTROPHES)):
            if char not in self._known:
                self._known[char] = self._spell(char)
            written = self._known[char]
            if written is None:
                dropped[char] += 1
                written = "" if unicodedata.category(char)[0] in "LMN" else " "
            spelled.append(written)
        words = "".join(spelled).split(" ")
        plain = " ".join(word for word in words if word)
        ids = (self._space if char == " " else self._ids[char] for char in plain)
        return Labels(tuple(index for index in ids if index is not None), plain, dropped)

    def _spell(self, char: str) -> str | None:
        """How the model writes a character; ' ' where it ends a word, None where it cannot be written."""
        for candidate in _candidates(char):
            if candidate and all(each in self._ids for each in candidate):
                return candidate
        return " " if char in _PUNCTUATION or unicodedata.category(char).startswith(_PUNCTUATION_CATEGORIES) else None


def _candidates(char: str) -> Iterator[str]:
    """What may stand for a character, best first."""
    base = "".join(each for each in unicodedata.normalize("NFKD", char) if not unicodedata.combining(each))
    for form in (char, base):
        yield form
        yield form.upper()
        yield form.lower()
        yield form.casefold()


def describe_dropped(labels: Sequence[Labels]) -> str | None:
    """One sentence that counts and names the characters that were dropped from these labels; None where none was."""
    dropped: Counter[str] = Counter()
    for each in labels:
        dropped.update(each.dropped)
    if not dropped:
        return None
    named = ", ".join(f"{char!r} {count}" for char, count in dropped.most_common(10))
    more = ", .." if len(dropped) > 10 else ""
    n_dropped = sum(dropped.values())
    characters = (
        "character that the model cannot write was" if n_dropped == 1 else "characters that the model cannot write were"
    )
    return f"{n_dropped} {characters} left out of the transcripts ({named}{more})"
