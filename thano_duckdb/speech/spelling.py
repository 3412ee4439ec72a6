"""The ways to write a character in an alphabet that may lack it, the best one first."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .hangul import compatibility_jamo

_ACCENT_CLASSES = frozenset({*range(10, 36), *range(202, 241)})
"""Canonical combining classes of what is written above and below letters: accents, and the points of Hebrew and Arabic.
The others are marks of Indic scripts and the vowels of Thai, without which a text is another one."""
_SPOKEN_PUNCTUATION = frozenset(
    "#%&@\u00a7\u0609\u060a\u066a\u2030\u2031\ufe5f\ufe60\ufe6a\ufe6b\uff03\uff05\uff06\uff20"
)
"""What Unicode counts as punctuation, although it is read aloud."""
_SILENT_SYMBOLS = frozenset("|")


@dataclass(frozen=True)
class Spelling:
    """How an alphabet writes a character.

    Attributes:
        text: in characters of the alphabet; ' ' if it only ends a word.
        is_exact: False if an accent is lost.
    """

    text: str
    is_exact: bool


def spelling(char: str, letters: Collection[str], *, turkic: bool = False) -> Spelling | None:
    r"""How an alphabet writes a character; None if it cannot.

    Args:
        char: of a text in NFC.
        letters: the characters of the alphabet.
        turkic: whether `I` is the capital of the dotless i, as in Turkish.

    >>> spelling("\N{LATIN SMALL LETTER U WITH DIAERESIS}", "UVW"), spelling("!", "UVW"), spelling("8", "UVW")
    (Spelling(text='U', is_exact=False), Spelling(text=' ', is_exact=True), None)
    """
    if char in letters:
        return Spelling(char, is_exact=True)
    for form in _forms(char):
        for candidate in _in_each_case(form, turkic=turkic):
            if candidate and all(letter in letters for letter in candidate):
                return Spelling(candidate, is_exact=True)
    if is_punctuation(char):
        return Spelling(" ", is_exact=True)
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    for candidate in _in_each_case(base, turkic=turkic):
        if candidate and all(letter in letters for letter in candidate):
            return Spelling(candidate, is_exact=False)
    return Spelling("", is_exact=False) if unicodedata.combining(char) in _ACCENT_CLASSES else None


def is_punctuation(char: str) -> bool:
    """Whether a character is not spoken: where the alphabet lacks it, it ends a word and is not reported as dropped."""
    category = unicodedata.category(char)
    if category in ("Zs", "Zl", "Zp", "Cc") or char in _SILENT_SYMBOLS:
        return True
    return category.startswith("P") and char not in _SPOKEN_PUNCTUATION


def _forms(char: str) -> Iterator[str]:
    """Other ways to write the same character."""
    yield char
    decomposed = unicodedata.normalize("NFD", char)
    base, marks = decomposed[0], decomposed[1:]
    # Some alphabets have the tones of Vietnamese as marks, but the other accents within the letter.
    are_accents = 1 < len(marks) <= 3 and all(map(unicodedata.combining, marks))
    for order in itertools.permutations(marks) if are_accents else ():
        for n_composed in range(len(order) - 1, 0, -1):
            composed = unicodedata.normalize("NFC", base + "".join(order[:n_composed]))
            yield composed + "".join(order[n_composed:])
    yield from compatibility_jamo(char)
    yield unicodedata.normalize("NFKC", char)
    yield unicodedata.normalize("NFKD", char)
    if unicodedata.category(char) == "Nd":
        yield str(unicodedata.decimal(char))


def _in_each_case(text: str, *, turkic: bool) -> Iterator[str]:
    yield text
    if turkic:
        yield text.replace("i", "\u0130").replace("\u0131", "I").upper()
        yield text.replace("I", "\u0131").replace("\u0130", "i").lower()
        return
    yield text.upper()
    yield text.lower()
    yield text.casefold()
