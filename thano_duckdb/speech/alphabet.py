"""Turns a transcript as people write it into the labels of a model, in the model's alphabet and case."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .decoding.vocabulary import Vocabulary
from .normalize import ACUTE, APOSTROPHES, INVISIBLE

_TO_APOSTROPHE = str.maketrans(dict.fromkeys(f"{APOSTROPHES}{ACUTE}\uff07", "'"))
_INVISIBLE = re.compile(INVISIBLE)
_QUOTATION_MARK = re.compile(r"(?<![^\W\d_])'|'(?![^\W\d_])")
"""An apostrophe that is not between letters, which is a quotation mark, as in `normalize`."""
N_NAMED = 10
"""Distinct dropped characters that a warning names; it only counts the others."""
_PUNCTUATION_CATEGORIES = ("Z", "Cc", "Pd", "Pc", "Ps", "Pe", "Pi", "Pf")
_PUNCTUATION = frozenset('.,;:!?/\\"\u2026\u00a1\u00bf|*')
"""Punctuation is not spoken, so where the alphabet lacks it, it ends a word and is not reported as dropped."""


@dataclass(frozen=True)
class Labels:
    """A transcript as a model can write it.

    Attributes:
        ids: the label of each character.
        text: the text that the labels spell.
        dropped: characters that the alphabet lacks, and how often each was dropped; punctuation is not counted.
    """

    ids: tuple[int, ...]
    text: str
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def n_frames_needed(self) -> int:
        """The fewest frames that CTC can align: one per label, and one for a blank between two equal labels."""
        return len(self.ids) + sum(a == b for a, b in pairwise(self.ids))


class Alphabet:
    """The characters that a model can write."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Take the single-character tokens of a vocabulary; its first delimiter becomes the space."""
        self._ids = {
            token: index
            for index, token in reversed(list(enumerate(vocabulary.tokens)))
            if token is not None and len(token) == 1 and index not in vocabulary.delimiter_ids
        }
        self._space = min(vocabulary.delimiter_ids, default=None)
        self._known: dict[str, str | None] = {}

    def labels(self, text: str) -> Labels:
        """The labels of a transcript.

        Letters take the case of the alphabet, and lose their accents if the alphabet has only the base letter.
        Typographic apostrophes become plain ones. Punctuation that the alphabet lacks ends a word, as in `normalize`
        (`twenty-one` is two words). Any other character that the alphabet lacks is dropped.
        """
        dropped: Counter[str] = Counter()
        spelled = []
        visible = _INVISIBLE.sub("", text)
        for char in _QUOTATION_MARK.sub(" ", unicodedata.normalize("NFC", visible).translate(_TO_APOSTROPHE)):
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
        """How the model writes a character: ' ' if it ends a word, None if the model cannot write it."""
        for candidate in _candidates(char):
            if candidate and all(letter in self._ids for letter in candidate):
                return candidate
        return " " if char in _PUNCTUATION or unicodedata.category(char).startswith(_PUNCTUATION_CATEGORIES) else None


def _candidates(char: str) -> Iterator[str]:
    """The possible spellings of a character, the best one first."""
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    for form in (char, base):
        yield form
        yield form.upper()
        yield form.lower()
        yield form.casefold()


def describe_dropped(labels: Sequence[Labels]) -> str | None:
    """One sentence that counts and names the characters dropped from these transcripts; None if there are none."""
    dropped: Counter[str] = Counter()
    for transcript in labels:
        dropped.update(transcript.dropped)
    if not dropped:
        return None
    named = ", ".join(f"{char!r} ({count})" for char, count in dropped.most_common(N_NAMED))
    more = f" and {len(dropped) - N_NAMED} more" if len(dropped) > N_NAMED else ""
    n_dropped = dropped.total()
    what, them = ("1 character was", "it") if n_dropped == 1 else (f"{n_dropped} characters were", "them")
    return f"{what} dropped from the transcripts because the model's alphabet lacks {them}: {named}{more}"
