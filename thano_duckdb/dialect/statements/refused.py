"""Statements of the original dialect that are recognised only to be refused, each with a sentence that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader

from .syntax import Beginning, Syntax

_ONLY_SPEECH = "the models here transcribe speech"
REFUSED = {
    "CONVERT USING": "CONVERT is not supported yet",
    "SEARCH AUDIO USING": "SEARCH AUDIO is not supported yet",
    "SEARCH KEYWORD USING": f"SEARCH KEYWORD is not supported: {_ONLY_SPEECH}",
    "SEARCH TEXT USING": f"SEARCH TEXT is not supported: {_ONLY_SPEECH}",
    "SEARCH IMAGE USING": f"SEARCH IMAGE is not supported: {_ONLY_SPEECH}",
    "SEARCH VIDEO USING": f"SEARCH VIDEO is not supported: {_ONLY_SPEECH}",
    "PRINT IMAGE": "PRINT IMAGE is not supported: only PRINT AUDIO is",
    "PRINT VIDEO": "PRINT VIDEO is not supported: only PRINT AUDIO is",
}


def _refuse(sentence: str) -> Callable[[TokenReader, Span], NoReturn]:
    def refuse(reader: TokenReader, keyword: Span) -> NoReturn:
        raise reader.error(sentence, keyword.start)

    return refuse


def _cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[2] in ("using", "as", "options")


SYNTAXES = tuple(
    Syntax(keywords=keywords, read=_refuse(sentence), stands_as_query=True, cannot_be_names=_cannot_be_names)
    for keywords, sentence in REFUSED.items()
)
