"""Our statements. Each is described once, in a module here: its keywords, where it may stand, how it is read, its SQL.

To add one: its name in `thano_duckdb.option.StatementKind`, its options in `thano_duckdb.options`, and here a node with
its `Syntax`.
"""

from __future__ import annotations

from thano_duckdb.dialect.lexer import Tokens

from . import (
    build_and_fit,
    cache_statements,
    catalog,
    copy_from,
    language_model_statements,
    refused,
    set_setting,
    transcription,
)
from .syntax import Syntax

SYNTAXES = (
    *transcription.SYNTAXES,
    *build_and_fit.SYNTAXES,
    *language_model_statements.SYNTAXES,
    *copy_from.SYNTAXES,
    *catalog.SYNTAXES,
    *cache_statements.SYNTAXES,
    *set_setting.SYNTAXES,
    *refused.SYNTAXES,
)

_BY_FIRST_WORD: dict[str, list[Syntax]] = {}
for _syntax in SYNTAXES:
    _BY_FIRST_WORD.setdefault(_syntax.words[0], []).append(_syntax)

FIRST_WORDS = tuple(_BY_FIRST_WORD)
"""In lower case: text with none of these words holds none of our statements."""


def find(tokens: Tokens, index: int) -> Syntax | None:
    """Our statement that begins with the token at `index`, or None."""
    for syntax in _BY_FIRST_WORD.get(tokens.word(index), ()):
        is_complete = tokens.words[index : index + len(syntax.words)] == syntax.words
        if is_complete and (syntax.also_requires is None or syntax.also_requires(tokens, index)):
            return syntax
    return None
