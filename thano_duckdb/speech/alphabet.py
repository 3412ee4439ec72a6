"""Turns a transcript as people write it into the labels of a model, in the model's alphabet and case."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from thano_duckdb.errors import named_characters

from .decoding.vocabulary import Vocabulary
from .normalize import ACUTE, APOSTROPHES, INVISIBLE
from .scripts import is_unspaced
from .spelling import Spelling, spelling

_APOSTROPHES = f"'\u2019\u02bc\u02bb{APOSTROPHES}{ACUTE}\uff07"
"""The one that an alphabet prefers comes first. (The turned comma U+02BB is a letter of Hawaiian and Uzbek.)"""
_MARK = re.compile(r"<.*>|\[.*\]")
"""Tokens like `<ctc>` and `[UNK]`, which no transcript holds."""
_INVISIBLE = re.compile(INVISIBLE)
_HALFWIDTH = re.compile("[\uff61-\uffdc]+")
"""Forms of kana and jamo; a letter and its voicing mark are two characters, which only together have a full form."""
_FINAL_SIGMA = re.compile(r"(?<=\w)\u03a3(?!\w)")


@dataclass(frozen=True)
class Labels:
    """A transcript as a model can write it.

    Attributes:
        ids: the label of each token.
        text: the text that the labels spell.
        dropped: characters that the alphabet lacks, and how often each was dropped; punctuation is not counted.
        without_accent: letters of which the alphabet has only the base letter, and how often each lost its accent.
    """

    ids: tuple[int, ...]
    text: str
    dropped: Counter[str] = field(default_factory=Counter)
    without_accent: Counter[str] = field(default_factory=Counter)

    @property
    def n_frames_needed(self) -> int:
        """The fewest frames that CTC can align: one per label, and one for a blank between two equal labels."""
        return len(self.ids) + sum(a == b for a, b in pairwise(self.ids))


class Alphabet:
    """The characters that a model can write."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Take the tokens of a vocabulary that are written; its first delimiter becomes the space."""
        self._tokens = vocabulary.tokens
        self._space = min(vocabulary.delimiter_ids, default=None)
        written = {
            token: index
            for index, token in reversed(list(enumerate(vocabulary.tokens)))
            if token and index not in vocabulary.delimiter_ids and not is_mark(token)
        }
        composed = {unicodedata.normalize("NFC", token): index for token, index in written.items()}
        full = {_HALFWIDTH.sub(_nfkc, token): index for token, index in written.items()}
        self._ids = full | composed | written
        """The label of each token, also by the forms that `_canonical` gives its text."""
        self._letters = frozenset("".join(self._ids))
        self._alone = {token for token in self._ids if len(token) == 1}
        several = sorted(self._ids.keys() - self._alone, key=len, reverse=True)
        self._next_token = re.compile("|".join([*map(re.escape, several), "."]), re.DOTALL)
        self._apostrophe = next((char for char in _APOSTROPHES if char in self._letters), "'")
        self._is_turkic = not self._letters.isdisjoint("\u0131\u0130")
        self._known: dict[str, Spelling | None] = {}

    def labels(self, text: str) -> Labels:
        """The labels of a transcript.

        Letters take the case of the alphabet, and lose their accents if the alphabet has only the base letter. The
        apostrophe becomes the one of the alphabet. Where tokens have several characters, the longest one that fits
        is taken, as Hugging Face's `Wav2Vec2CTCTokenizer` does; unlike there, a space beside it stays. Punctuation that
        the alphabet lacks ends a word, as in `normalize` (`twenty-one` is two words). Any other character that the
        alphabet lacks is dropped.
        """
        dropped: Counter[str] = Counter()
        without_accent: Counter[str] = Counter()
        spelled = []
        for char in self._canonical(text):
            written = self._spell(char)
            if written is None:
                dropped[char] += 1
            elif not written.is_exact:
                without_accent[char] += 1
            spelled.append(_gap(char) if written is None else written.text)
        words: list[list[int]] = [[]]
        for token in self._next_token.findall("".join(spelled)):
            if token in self._ids:
                words[-1].append(self._ids[token])
            elif token == " ":
                words.append([])
            elif (written := spelling(token, self._alone, turkic=self._is_turkic)) is not None and written.text != " ":
                words[-1] += map(self._ids.__getitem__, written.text)  # `C`, where the alphabet has `Ch` and `c`
            else:
                dropped[token] += 1
        ids: list[int] = []
        for word in filter(None, words):
            if ids and self._space is not None:
                ids.append(self._space)
            ids += word
        plain = " ".join("".join(self._tokens[index] or "" for index in word) for word in words if word)
        return Labels(tuple(ids), plain, dropped, without_accent)

    def cannot_write(self, texts: Iterable[str]) -> tuple[int, Counter[str]]:
        """How many of these texts hold characters that the model cannot write exactly, and these characters."""
        n_texts, characters = 0, Counter[str]()
        for text in texts:
            lacking = [
                char for char in self._canonical(text) if (written := self._spell(char)) is None or not written.is_exact
            ]
            n_texts += bool(lacking)
            characters.update(lacking)
        return n_texts, characters

    def _canonical(self, text: str) -> str:
        """The text in NFC, with the letters of this alphabet for their other forms that are more than one character."""
        visible = _INVISIBLE.sub(lambda match: "".join(filter(self._letters.__contains__, match[0])), text)
        composed = _HALFWIDTH.sub(_nfkc, unicodedata.normalize("NFC", visible))
        if "\u03c2" in self._letters and "\u03a3" not in self._letters:
            composed = _FINAL_SIGMA.sub("\u03c2", composed)
        if not any(char in composed for char in _APOSTROPHES):
            return composed
        return "".join(map(self._with_apostrophe, f" {composed}", composed, f"{composed} "[1:]))

    def _with_apostrophe(self, before: str, char: str, after: str) -> str:
        """The apostrophe of this alphabet; a space for one not between letters, a quotation mark, as in `normalize`."""
        if char not in _APOSTROPHES:
            return char
        is_letter = char in self._letters and unicodedata.category(char) == "Lm"  # some languages begin words with it
        is_inside = unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] == "L"
        is_inside = is_inside and not (is_unspaced(before) or is_unspaced(after))
        if not (is_letter or is_inside):
            return " "
        return char if char in self._letters else self._apostrophe

    def _spell(self, char: str) -> Spelling | None:
        if char not in self._known:
            can_write = char in self._letters or char not in _APOSTROPHES
            self._known[char] = spelling(char, self._letters, turkic=self._is_turkic) if can_write else None
        return self._known[char]


def is_mark(token: str) -> bool:
    """Whether a token is one like `<ctc>` and `[UNK]`, which is never written."""
    return _MARK.fullmatch(token) is not None


def _nfkc(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _gap(char: str) -> str:
    """What stands for a character that is dropped: a letter leaves no gap."""
    return "" if unicodedata.category(char)[0] in "LMN" else " "


def describe_dropped(dropped: Counter[str]) -> str | None:
    """One sentence that counts and names the characters dropped from transcripts; None if there are none."""
    if not dropped:
        return None
    n_dropped = dropped.total()
    what, them = ("1 character was", "it") if n_dropped == 1 else (f"{n_dropped} characters were", "them")
    return f"{what} dropped from the transcripts because the model's alphabet lacks {them}: {named_characters(dropped)}"


def name_dropped(dropped: Counter[str]) -> str:
    """The characters that the alphabet lacks of transcripts, and how often they have them."""
    return f"the model's alphabet lacks {named_characters(dropped)}"


def describe_lost_accents(letters: Counter[str]) -> str | None:
    """One sentence that counts and names the letters that lost their accents; None if there are none."""
    if not letters:
        return None
    n_letters = letters.total()
    what, them = (
        ("1 letter lost its accent", "it") if n_letters == 1 else (f"{n_letters} letters lost their accents", "them")
    )
    return f"{what} in the transcripts because the model's alphabet lacks {them}: {named_characters(letters)}"
