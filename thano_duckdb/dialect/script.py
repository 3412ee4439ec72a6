"""Scripts of several statements."""

from __future__ import annotations

from thano_duckdb.errors import DialectError

from .lexer import check_is_text, lex


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
