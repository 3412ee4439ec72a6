"""Text that DuckDB refuses and that was meant for us: what to say of it.

It is only asked for text that DuckDB has refused, so that a statement of DuckDB's is never taken for ours.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.errors import DialectError, brief

from .lexer import Tokens, lex
from .statements import SYNTAXES, find
from .statements.copy_from import TABLE_SUFFIXES, suffix_of

_BEFORE_A_STATEMENT = frozenset({";", "(", "as", "explain", "analyze", "union", "all", "from", "join"})
_BEFORE_A_TABLE = frozenset({"from", "join"})
_USING = frozenset({"predict", "evaluate"})
_KEYWORDS = {" ".join(syntax.words[:2]): syntax.keywords for syntax in reversed(SYNTAXES) if len(syntax.words) > 1}
_LOOKS_ALIKE = 0.8
_TRAINING = "{} MODEL name USING model [OPTIONS (..)] AS query"
# No statement of DuckDB's begins with these words. `CREATE MODEL` is a statement for others.
_WRITE = {
    "list": "LIST MODEL, LIST THANOSQL MODEL, LIST THANOSQL DATASET or LIST TABLE",
    "get": "GET THANOSQL MODEL name or GET THANOSQL DATASET name",
    "build": _TRAINING.format("BUILD"),
    "fit": _TRAINING.format("FIT"),
    "train": _TRAINING.format("BUILD"),
    "create model": f"{_TRAINING.format('BUILD')}, or UPLOAD MODEL name FROM 'folder'",
    "create language model": "BUILD LANGUAGE MODEL name AS query, or UPLOAD LANGUAGE MODEL name FROM 'file'",
    "upload": "UPLOAD MODEL name [OPTIONS (..)] FROM 'folder'",
    "transcribe": "PREDICT USING model [OPTIONS (..)] AS query",
    "predict": "PREDICT USING model [OPTIONS (..)] AS query",
    "evaluate": "EVALUATE USING model [OPTIONS (..)] AS query",
    "print": "PRINT AUDIO [OPTIONS (..)] AS query",
}
_NO_TABLE = re.compile(r"Table with name .* does not exist")
_COPY_OPTIONS = "COPY table OPTIONS (overwrite=True) FROM 'file or folder'"


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

    if second == "language" and f"{first} {second}" in _KEYWORDS and tokens.word(index + 2) != "model":
        return error(f"{typed} is followed by MODEL", index + 1)
    before = tokens.word(index - 1)
    if before in _BEFORE_A_TABLE:
        # `JOIN predict USING (id)` and `FROM predict USING SAMPLE 9%` are DuckDB's.
        if first in _USING and second == "using" and tokens.word(index + 2) not in ("(", "sample"):
            query = f"({typed} .. AS ..)"
            return error(f"{typed} is a query, which stands in parentheses after {before.upper()}: {query}", index)
        return None
    is_first = index == 0 or before == ";"
    if is_first and first == "copy":
        return _copy_near_miss(tokens, index)
    if is_first and (sentence := _almost(tokens, index)):
        return error(sentence, index)
    if f"{first} {second}" in _KEYWORDS or not second:
        return None
    if first == "show" and second in ("model", "models"):
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
    if near := _alike(f"{first} {second}", sorted(_KEYWORDS)):
        return error(f"{typed} is not a statement. Did you mean {_KEYWORDS[near]}?", index)
    if is_first and first in _WRITE and find(tokens, index) is None:
        return error(f"{_shown(first, second)} is not a statement. Write {_WRITE[first]}", index)
    return None


def _almost(tokens: Tokens, index: int) -> str | None:
    """The sentence for a statement whose second word is missing, or is one that another statement of ours has."""
    first, second = tokens.word(index), tokens.word(index + 1)
    if first in _WRITE and second in ("", ";"):
        return f"{first.upper()} is not a whole statement. Write {_WRITE[first]}"
    if (
        first in ("list", "get")
        and second in ("model", "models", "dataset", "datasets")
        and find(tokens, index) is None
    ):
        what = second.upper().removesuffix("S")
        return f"{first.upper()} {second.upper()} is not a statement. Did you mean {first.upper()} THANOSQL {what}?"
    if first == "create":
        after = index + 3 if (second, tokens.word(index + 2)) == ("or", "replace") else index + 1
        if tokens.word(after) == "model":
            return f"CREATE MODEL is not a statement. Write {_WRITE['create model']}"
        if (tokens.word(after), tokens.word(after + 1)) == ("language", "model"):
            return f"CREATE LANGUAGE MODEL is not a statement. Write {_WRITE['create language model']}"
    if (first, second, tokens.word(index + 2)) == ("get", "language", "model"):
        return "GET LANGUAGE MODEL is not a statement, and 'en' needs none: it ships with the package"
    return None


def _copy_near_miss(tokens: Tokens, index: int) -> DialectError | None:
    """The error for a COPY with OPTIONS that is misspelt, or has them in the wrong place."""

    def error(problem: str, at: int) -> DialectError:
        return DialectError(problem, tokens.sql, tokens.starts[at])

    at = index + 2
    while tokens.word(at) == ".":
        at += 2
    if tokens.word(at) != "options" and tokens.word(at + 1) == "(" and _alike(tokens.word(at), ["options"]):
        return error(f"{brief(tokens.texts[at])} is not a keyword here. Did you mean OPTIONS?", at)
    end = tokens.words.index(";", index) if ";" in tokens.words[index:] else len(tokens)
    for number in range(at, end):
        if tokens.words[number] == "options" or (
            tokens.words[number] in ("overwrite", "if_exists") and tokens.word(number + 1) == "="
        ):
            return error(f"The options of COPY stand in OPTIONS (..) after the table. Write {_COPY_OPTIONS}", number)
    return None


def _shown(first: str, second: str) -> str:
    return f"{first.upper()} {second.upper()}" if second.isidentifier() else first.upper()


def hint(sql: str, message: str) -> str | None:
    """A sentence to add to `message`, an error of DuckDB's own, where the text may have been meant for us."""
    for words, texts in _statements(lex(sql)):
        if words[0] == "show" and words[1:] in (["model"], ["models"]):
            return _LISTS
        if words in (["describe", "model"], ["desc", "model"]):
            return "To describe a model write DESCRIBE MODEL name."
        if words[:3] == ["delete", "from", "model"] and len(words) == 4:
            return f"To delete a model write DELETE MODEL {texts[3]}."
        for before, verb, what in zip(words, words[1:], words[2:], strict=False):
            if before in _BEFORE_A_TABLE and verb == "list" and f"list {what}" in _KEYWORDS:
                return f"LIST {what.upper()} stands in parentheses after {before.upper()}: (LIST {what.upper()})."
    for copied in _copies(sql):
        if copied.is_audio and not copied.has_settings:
            return f"For a folder of audio write {copied.with_options(append=True)}."
        if copied.is_table and _NO_TABLE.search(message):
            return f"To make a new table of the file write {copied.with_options(append=False)}."
    return None


@dataclass(frozen=True, slots=True)
class PlainCopy:
    """DuckDB's own `COPY table FROM 'path'`.

    Attributes:
        table: as written, without the list of columns.
        quoted_path: likewise, in its quotes.
        has_settings: something follows the path.
    """

    table: str
    quoted_path: str
    has_settings: bool

    @property
    def path(self) -> str:
        """The path that is meant."""
        quote = self.quoted_path[0]
        return self.quoted_path[1:-1].replace(quote * 2, quote)

    @property
    def is_audio(self) -> bool:
        """Whether the path may be that of audio, such as a folder."""
        return suffix_of(self.path) in ("", *AUDIO_SUFFIXES)

    @property
    def is_table(self) -> bool:
        """Whether the path is that of a table of a kind that we read."""
        return suffix_of(self.path) in TABLE_SUFFIXES

    def with_options(self, *, append: bool) -> str:
        """Our statement that reads the same."""
        options = "if_exists='append'" if append else ""
        return f"COPY {self.table} OPTIONS ({options}) FROM {self.quoted_path}"


def plain_copies(sql: str) -> Iterator[PlainCopy]:
    """The statements of a text that may have been meant as COPY with OPTIONS of a folder of audio."""
    return (copied for copied in _copies(sql) if copied.is_audio and not copied.has_settings)


def _copies(sql: str) -> Iterator[PlainCopy]:
    if "copy" not in sql.lower():
        return
    for words, texts in _statements(lex(sql)):
        if words[0] == "copy" and "from" in words and "options" not in words:
            at = words.index("from")
            path = texts[at + 1 : at + 2]
            if path and path[0][0] in "'\"" and _is_table(words[1:at]):
                end = words.index("(") if "(" in words[:at] else at
                yield PlainCopy("".join(texts[1:end]), path[0], has_settings=len(words) > at + 2)


def _is_table(words: list[str]) -> bool:
    """Whether the words are a table's name, with its schema if given, and perhaps its columns in parentheses."""
    end = 1
    while words[end : end + 1] == ["."]:
        end += 2
    return bool(words) and (not words[end:] or (words[end] == "(" and words[-1] == ")"))


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
