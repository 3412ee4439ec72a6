"""Scripts of several statements."""

from __future__ import annotations

from .lexer import check_is_text, lex


def split_statements(sql: str) -> list[str]:
    """The statements of a script, each a slice of it, without the semicolons and the comments between them.

    Raises:
        TypeError: `sql` is not a str.
    """
    check_is_text(sql)
    tokens = lex(sql)
    statements, first = [], 0
    for index, text in enumerate([*tokens.texts, ";"]):
        if text == ";":
            if index > first:
                statements.append(sql[tokens.starts[first] : tokens.end(index - 1)])
            first = index + 1
    return statements
