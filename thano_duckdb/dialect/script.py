"""Scripts of several statements."""

from __future__ import annotations

import re
from collections.abc import Iterator

from thano_duckdb.errors import DialectError

from .lexer import check_is_text, lex
from .span import Span


def is_whole(script: str) -> bool:
    r"""Whether a script ends with a semicolon that ends a statement: not one in a string, a quoted name or a comment.

    One that is refused, because it is not text, is whole.

    >>> is_whole("SELECT 'a;"), is_whole("SELECT 'a;\n b'; -- a comment")
    (False, True)
    """
    try:
        check_is_text(script)
    except DialectError:
        return True
    tokens = lex(script)
    return not tokens.is_open and tokens.texts[-1:] == [";"]


def split_statements(sql: str) -> list[str]:
    """The statements of a script, each a slice of it, without the semicolons and the comments between them.

    Raises:
        DialectError: the script holds half a character (a lone surrogate).
        TypeError: `sql` is not a str.
    """
    return [span.of(sql) for span in statement_spans(sql)]


def statement_spans(sql: str) -> list[Span]:
    """Where the statements of a script are in it; see `split_statements`."""
    check_is_text(sql)
    return list(_spans(sql))


def statements_in_place(sql: str) -> list[str]:
    """The same, each with blanks for what is in front of it in the script, so that lines and columns agree."""
    return [re.sub(r"[^\n]", " ", sql[: span.start]) + span.of(sql) for span in _spans(sql)]


def _spans(sql: str) -> Iterator[Span]:
    tokens = lex(sql)
    first = 0
    for index, text in enumerate([*tokens.texts, ";"]):
        if text == ";":
            if index > first:
                yield Span(tokens.starts[first], tokens.end(index - 1))
            first = index + 1
