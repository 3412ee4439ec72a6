"""Makes the alphabet of a new model from the texts of its rows, and writes the files of its tokenizer."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ThanoError, brief, counted
from thano_duckdb.models.character_tokenizer import (
    DELIMITER,
    PROCESSOR_CLASS,
    SPECIAL_TOKENS,
    write_json,
    write_tokenizer,
)
from thano_duckdb.speech.alphabet import Alphabet, is_mark
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.scripts import is_unspaced

COMMON_COUNT = 5
COMMON_SHARE = 1 / 20_000
"""A character is rare if it occurs less than `COMMON_COUNT` times and makes up less than this share of the texts: in an
hour of English once or twice, in ten minutes never. Most come from foreign names and typing errors."""
WAYS = ("characters", "jamo")
N_NAMED_TOKENS = 100
N_NAMED_RARE = 10
_MAX_SPACES_PER_CHARACTER = 1 / 50
_TURKIC = "\u0131\u0130"
_SPACES = frozenset({DELIMITER, " "})


@dataclass(frozen=True)
class NewAlphabet:
    """What a new model can write.

    Attributes:
        tokens: the text of each of its labels, without the special ones.
        has_delimiter: whether it writes spaces between words.
        rare: the characters of the texts that are omitted, and how often each occurs.
    """

    tokens: tuple[str, ...]
    has_delimiter: bool
    rare: tuple[tuple[str, int], ...] = ()

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The meaning of the outputs of the model."""
        special: list[str | None] = [None] * len(SPECIAL_TOKENS)
        if self.has_delimiter:
            return Vocabulary((*special, DELIMITER, *self.tokens), frozenset({len(special)}))
        return Vocabulary((*special, *self.tokens), frozenset())

    def describe(self) -> str:
        """One sentence that names the tokens, and the characters that are omitted."""
        n_tokens = len(self.tokens)
        more = f" .. and {n_tokens - N_NAMED_TOKENS:,} more" if n_tokens > N_NAMED_TOKENS else ""
        shown = " ".join(self.tokens[:N_NAMED_TOKENS])
        spaces = "and the space" if self.has_delimiter else "without a space"
        what = "character" if max(map(len, self.tokens)) == 1 else "token"
        sentence = f"the new alphabet has {counted(n_tokens, what)} {spaces}: {shown}{more}"
        if not self.rare:
            return sentence
        named = ", ".join(f"{char!r} ({count})" for char, count in self.rare[:N_NAMED_RARE])
        more = f" and {len(self.rare) - N_NAMED_RARE} more" if len(self.rare) > N_NAMED_RARE else ""
        return f"{sentence}; omitted because they are rare in the texts: {named}{more}"

    def write(self, folder: Path, audio_settings: dict[str, Any]) -> None:
        """Write the files of the tokenizer, and of the processor that transformers makes of it and `audio_settings`."""
        write_json(folder / "preprocessor_config.json", {**audio_settings, "processor_class": PROCESSOR_CLASS})
        write_tokenizer(folder, [*SPECIAL_TOKENS, *([DELIMITER] if self.has_delimiter else []), *self.tokens])


def make_alphabet(texts: Iterable[str], wanted: Sequence[str], *, keep_case: bool = False) -> NewAlphabet:
    """The alphabet in which a model can learn to write texts.

    The texts are taken in Unicode's composed form (NFC). Letters, marks and digits become tokens, and the apostrophe
    within words; other punctuation is not spoken, and ends a word. Texts in a script without spaces between words get
    no space.

    Args:
        texts: the transcripts of all rows; they are iterated over several times.
        wanted: `['characters']`, `['jamo']`, or the tokens themselves.
        keep_case: whether capitals are letters of their own.

    Raises:
        ThanoError: there is nothing to make an alphabet of, or the tokens cannot be used.

    Example:
        >>> make_alphabet(["Guten Tag!"], ["characters"]).tokens
        ('a', 'e', 'g', 'n', 't', 'u')
    """
    has_delimiter = _is_spaced(_composed(texts))
    if len(wanted) != 1:
        tokens = _checked(wanted)
        written = tuple(token for token in tokens if token not in _SPACES)
        return NewAlphabet(written, has_delimiter or len(written) < len(tokens))
    if wanted[0].lower() not in WAYS:
        raise ThanoError(
            f"The option 'alphabet' must be 'characters', 'jamo' or a list of tokens, not {brief(wanted[0])}."
        )
    split = _jamo if wanted[0].lower() == "jamo" else _character
    distinct = {char for text in _composed(texts) for char in text}
    if not distinct.isdisjoint(_TURKIC):
        distinct |= {*_TURKIC}  # `Alphabet` takes `I` for the capital of the dotless i then
    possible = sorted({part for char in distinct for part in split(char, keep_case)} | {"'"})
    alphabet = Alphabet(NewAlphabet(tuple(possible), True).vocabulary)
    counts = Counter(char for text in _composed(texts) for char in alphabet.labels(text).text)
    del counts[" "]
    n_common = min(COMMON_COUNT, COMMON_SHARE * counts.total())
    rare = [(char, count) for char, count in counts.most_common() if count < n_common]
    tokens = sorted(counts.keys() - dict(rare).keys())
    if not any(token != "'" for token in tokens):
        raise ThanoError("the texts of the query's rows hold no letter to make an alphabet of")
    return NewAlphabet(tuple(tokens), has_delimiter, tuple(rare))


def _composed(texts: Iterable[str]) -> Iterator[str]:
    return (unicodedata.normalize("NFC", text) for text in texts)


def _character(char: str, keep_case: bool) -> Iterator[str]:
    """The character itself as a token, if it is one that is spoken."""
    if unicodedata.category(char)[0] in "LMN":
        yield char if keep_case else char.lower()[0]  # the small letter of the Turkish capital has a dot of its own


def _jamo(char: str, keep_case: bool) -> Iterator[str]:
    """The same, but the conjoining jamo of Korean."""
    if "HANGUL" in unicodedata.name(char, ""):
        yield from unicodedata.normalize("NFKD", char)
    else:
        yield from _character(char, keep_case)


def _is_spaced(texts: Iterable[str]) -> bool:
    """Whether words are separated by spaces in these texts: not where a script without spaces is the rule."""
    n_letters = n_without_spaces = n_spaces = 0
    for text in texts:
        n_spaces += max(0, len(text.split()) - 1)
        letters = [char for char in text if char.isalpha()]
        n_letters += len(letters)
        n_without_spaces += sum(map(is_unspaced, letters))
    return n_without_spaces < n_letters / 2 or n_spaces > _MAX_SPACES_PER_CHARACTER * n_letters


def _checked(tokens: Sequence[str]) -> list[str]:
    """The tokens that a user lists, in composed form.

    Raises:
        ThanoError: one is empty, given twice, a special token, or holds a space.
    """
    composed = [unicodedata.normalize("NFC", token) for token in tokens]
    for token, count in Counter(composed).items():
        problem = (
            "is given twice" if count > 1
            else "is empty" if not token
            else "is a token with a meaning of its own" if token in SPECIAL_TOKENS or is_mark(token)
            else "holds a space" if token != " " and any(map(str.isspace, token))
            else None
        )  # fmt: skip
        if problem:
            raise ThanoError(f"In the option 'alphabet', {brief(token)} {problem}.")
    if not set(composed) - _SPACES:
        raise ThanoError("The option 'alphabet' lists no token.")
    return composed
