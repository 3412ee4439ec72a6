"""Text that DuckDB refuses and that was meant for us: what to say of it.

It is only asked for text that DuckDB has refused, so that a statement of DuckDB's is never taken for ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from thano_duckdb.audio.formats import AUDIO_SUFFIXES, UNREAD_AUDIO_SUFFIXES
from thano_duckdb.errors import DialectError, brief

from .lexer import Tokens, lex
from .statements import SYNTAXES
from .statements.copy_from import suffix_of

_BEFORE_A_STATEMENT = frozenset({";", "(", "as", "explain", "analyze", "union", "all"})
_USING = frozenset({"predict", "evaluate"})
_KEYWORDS = sorted({" ".join(syntax.words[:2]) for syntax in SYNTAXES if len(syntax.words) > 1})
_LOOKS_ALIKE = 0.8


def near_miss(sql: str) -> DialectError | None:
    """The error for text that DuckDB's parser refuses, where it is nearly one of our statements; else None."""
    tokens = lex(sql)
    for index in range(len(tokens)):
        if index == 0 or tokens.word(index - 1) in _BEFORE_A_STATEMENT:
            found = _near_miss(tokens, index)
            if found is not None:
                return found
    return None


def _near_miss(tokens: Tokens, index: int) -> DialectError | None:
    first, second = tokens.word(index), tokens.word(index + 1)
    typed = f"{first.upper()} {second.upper()}"

    def error(problem: str, at: int) -> DialectError:
        return DialectError(problem, tokens.sql, tokens.starts[at])

    if f"{first} {second}" in _KEYWORDS or not second:
        return None
    if first in ("describe", "desc", "show") and second in ("model", "models"):
        return error(f"{typed} is not a statement. {_LISTS}", index)
    if first in _USING:
        verb = first.upper()
        after_model = tokens.word(index + 2)
        if after_model not in ("as", "options", "", ";") and _alike(second, ["using"]):
            return error(
                f"{brief(tokens.texts[index + 1])} is not a keyword here. Did you mean {verb} USING?", index + 1
            )
        following = tokens.words[index + 2 : index + 30]
        if "as" in following or "options" in following:
            return error(f"USING is missing: write {verb} USING model [OPTIONS (..)] AS query", index + 1)
    if near := _alike(f"{first} {second}", _KEYWORDS):
        return error(f"{typed} is not a statement. Did you mean {near.upper()}?", index)
    return None


def hint(sql: str) -> str | None:
    """A sentence to add to an error of DuckDB's own, where the text may have been meant for us."""
    for words, _ in _statements(lex(sql)):
        if words[0] == "show" and words[1:] in (["model"], ["models"]):
            return _LISTS
    copied = next(plain_copies(sql), None)
    if copied is None:
        return None
    return f"For a folder of audio write {copied.with_options('replace')}."


@dataclass(frozen=True, slots=True)
class PlainCopy:
    """DuckDB's own `COPY table FROM 'path'`, of what may be a folder of audio.

    Attributes:
        table: as written, with a list of columns if there is one.
        quoted_path: likewise, in its quotes.
    """

    table: str
    quoted_path: str

    @property
    def path(self) -> str:
        """The path that is meant."""
        quote = self.quoted_path[0]
        return self.quoted_path[1:-1].replace(quote * 2, quote)

    def with_options(self, if_exists: str) -> str:
        """Our statement that reads the audio."""
        return f"COPY {self.table} OPTIONS (if_exists='{if_exists}') FROM {self.quoted_path}"


def plain_copies(sql: str) -> Iterator[PlainCopy]:
    """The statements of a text that may have been meant as COPY with OPTIONS."""
    if "copy" not in sql.lower():
        return
    for words, texts in _statements(lex(sql)):
        if words[0] == "copy" and words[-2:-1] == ["from"] and "options" not in words and texts[-1][:1] in "'\"":
            found = PlainCopy("".join(texts[1:-2]), texts[-1])
            if suffix_of(found.path) in ("", *AUDIO_SUFFIXES, *UNREAD_AUDIO_SUFFIXES):
                yield found


_LISTS = "LIST MODEL shows your models, LIST THANOSQL MODEL also the built-in ones."


def _alike(word: str, known: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=_LOOKS_ALIKE)), None)


def _statements(tokens: Tokens) -> Iterator[tuple[list[str], list[str]]]:
    """The words and the texts of each statement."""
    first = 0
    for index, word in enumerate([*tokens.words, ";"]):
        if word == ";":
            if index > first:
                yield tokens.words[first:index], tokens.texts[first:index]
            first = index + 1
