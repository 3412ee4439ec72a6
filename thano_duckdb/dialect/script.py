"""Scripts of several statements."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .lexer import lex
from .span import Span


def split_statements(sql: str) -> list[str]:
    """The statements of a script, each a slice of it, without the semicolons and the comments between them."""
    return [span.of(sql) for span in _spans(sql)]


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
