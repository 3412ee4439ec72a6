"""DELETE CACHE clears the lasting cache of transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.given_options import GivenOptions
from thano_duckdb.dialect.nodes import Name, Node
from thano_duckdb.dialect.quoting import literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.option import StatementKind

from .syntax import Beginning, Syntax, written_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCache(Node):
    """`DELETE CACHE [FOR MODEL model]`.

    Attributes:
        model: whose transcripts are deleted; None for all.
    """

    kind = StatementKind.DELETE_CACHE
    runs_now = True
    model: Name | None = None

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `[FOR MODEL model]`."""
        model = None
        if reader.word == "for":
            reader.skip()
            reader.expect("MODEL", "DELETE CACHE FOR is followed by MODEL and its name")
            model = reader.model("DELETE CACHE FOR MODEL")
        reader.expect_end()
        return cls(model=model, options=GivenOptions(cls.kind), **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A call that deletes the transcripts."""
        return f"SELECT * FROM thano_delete_cache({'' if self.model is None else literal(self.model.text)})", ""


def _cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[2] != ")"


SYNTAXES = (Syntax(keywords="DELETE CACHE", read=DeleteCache.read, cannot_be_names=_cannot_be_names),)
