"""Tokens of SQL text, as DuckDB's own lexer cuts it.

Invariant: `sql[token.start:token.end] == token.text` for every token, and what lies between two tokens is white space
or comments. `duckdb.tokenize` gives where each token starts, in UTF-8 bytes, and its kind; where it ends follows from
where the next one starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import duckdb
from duckdb import token_type

from thano_duckdb.errors import DialectError

# What DuckDB's parser takes as a space outside quotes and its lexer does not.
_UNICODE_SPACES = (
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u205f\u2060\u3000\ufeff"
)
SPACES = " \t\n\r\f\v" + _UNICODE_SPACES
"""All that may be between two tokens, besides comments."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# As many blanks as the space has bytes, so that the offsets stay right.
_AS_BLANKS = {ord(space): " " * len(space.encode()) for space in _UNICODE_SPACES}


class Token(NamedTuple):
    """One token: its kind, its text, and where its first character is."""

    kind: token_type
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where its last character ends."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of `sql` without its comments, as columns: a script of 1 MB has hundreds of thousands.

    Attributes:
        sql: the text.
        texts: text of each token.
        words: the same in lower case, to compare with keywords.
        starts: where each token's first character is.
        kinds: DuckDB's kind of each token. Bare names and `"quoted"` ones are both identifiers.
        is_open: the text ends within a string, a quoted name or a comment, which is then the last token.
    """

    sql: str
    texts: list[str]
    words: list[str]
    starts: list[int]
    kinds: list[token_type]
    is_open: bool

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Token:
        return Token(self.kinds[index], self.texts[index], self.starts[index])

    def word(self, index: int) -> str:
        """The token in lower case; empty beyond either end."""
        return self.words[index] if 0 <= index < len(self.words) else ""

    def end(self, index: int) -> int:
        """Where the last character of a token ends; 0 for -1."""
        return self.starts[index] + len(self.texts[index]) if index >= 0 else 0


def check_is_text(sql: object) -> None:
    """Refuse what is no text, and half a character (a lone surrogate).

    Python puts one in place of a byte that is not UTF-8.

    Raises:
        TypeError: `sql` is not a str.
        DialectError: it holds half a character; the error says where.
    """
    if not isinstance(sql, str):
        raise TypeError(f"SQL is given as text (str), not as {type(sql).__name__}")
    if sql.isascii():
        return
    if lone := _LONE_SURROGATE.search(sql):
        problem = (
            f"The text holds U+{ord(lone.group()):04X}, which is no character: Python puts it in place of a byte that "
            "is not UTF-8"
        )
        raise DialectError(problem, _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", sql), lone.start())


def lex(sql: str) -> Tokens:
    """Cut `sql` into tokens. Never fails: text that DuckDB cannot read gives tokens too."""
    try:
        data = sql.encode()
    except UnicodeEncodeError:  # a lone surrogate: see `check_is_text`
        return Tokens(sql, [], [], [], [], is_open=False)
    marks = duckdb.tokenize(sql if sql.isascii() else sql.translate(_AS_BLANKS))
    starts = [offset for offset, _ in marks]
    kinds = [kind for _, kind in marks]
    if not sql.isascii():
        starts = _characters(data, starts)
    if "$" in sql:  # DuckDB's lexer says that a sign or a comment right after a single $ starts at the $
        starts = [start + (start == before) for before, start in zip([-1, *starts], starts, strict=False)]
    texts = [sql[start:end].rstrip(SPACES) for start, end in zip(starts, [*starts[1:], len(sql)], strict=False)]
    is_open = bool(texts) and _is_open(sql[starts[-1] :])
    if token_type.comment in kinds:
        kept = [index for index, kind in enumerate(kinds) if kind is not token_type.comment]
        if is_open and kinds[-1] is token_type.comment:
            kept.append(len(kinds) - 1)
        texts = [texts[index] for index in kept]
        starts = [starts[index] for index in kept]
        kinds = [kinds[index] for index in kept]
    return Tokens(sql, texts, [text.lower() for text in texts], starts, kinds, is_open)


def _characters(data: bytes, offsets: list[int]) -> list[int]:
    """Ascending offsets in bytes as offsets in characters."""
    characters, count, previous = [], 0, 0
    for offset in offsets:
        count += len(data[previous:offset].decode())
        characters.append(count)
        previous = offset
    return characters


def _is_open(last: str) -> bool:
    """Whether the last token of a text would include what is written after it."""
    return len(duckdb.tokenize(last + "\n;")) == 1
