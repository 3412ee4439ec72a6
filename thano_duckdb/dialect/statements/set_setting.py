"""`SET thano_<name> = value` and `RESET thano_<name>`: the defaults of our options for one connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.given_options import GivenOptions
from thano_duckdb.dialect.lexer import Tokens
from thano_duckdb.dialect.nodes import Node
from thano_duckdb.dialect.option_reader import read_value
from thano_duckdb.dialect.quoting import literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader
from thano_duckdb.errors import ThanoError
from thano_duckdb.option import Option, StatementKind, Value
from thano_duckdb.settings import PREFIX, find_setting

from .syntax import Syntax, written_at

_SCOPES = ("session", "local")
"""What may stand between SET and the name; GLOBAL is refused, because every connection has settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSetting(Node):
    """`SET thano_<name> = value`, or RESET.

    Attributes:
        name: of the setting, without its prefix.
        value: as its option accepts it; None for NULL.
        resets: the statement is RESET, or the value is DEFAULT: it brings back what `connect` was given.
    """

    kind = StatementKind.SET
    runs_now = True
    name: str
    value: Value = None
    resets: bool = False

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `[SESSION] thano_<name> = value`, or, after RESET, the name; it may be in quotes."""
        word = reader.tokens.texts[reader.index - 1].upper()
        if reader.word == "global":
            raise reader.error(f"Each connection has its own thano settings: write {word} without GLOBAL")
        if reader.word in _SCOPES:
            reader.skip()
        start = reader.here
        if reader.is_quoted():
            name = reader.string().lower()
        else:
            name = reader.word
            reader.skip()
        try:
            option = find_setting(name.removeprefix(PREFIX))
        except ThanoError as error:
            raise reader.error(str(error), start) from None
        value: Value = None
        resets = word == "RESET"
        if not resets:
            shown = PREFIX + option.name
            if reader.word == "to":
                reader.skip()
            else:
                reader.expect("=", f"SET {shown} is followed by = and a value")
            if reader.word == "default":  # as DuckDB has it
                resets = True
                reader.skip()
            else:
                value = _value(reader, option)
        reader.expect_end()
        return cls(
            name=option.name, value=value, resets=resets, options=GivenOptions(cls.kind), **written_at(reader, keyword)
        )

    def sql_around(self) -> tuple[str, str]:
        """A call that changes the setting of the connection."""
        value = "" if self.resets else f", {literal(json.dumps(self.value, ensure_ascii=False))}"
        return f"SELECT * FROM thano_set({literal(self.name)}{value})", ""


def _value(reader: TokenReader, option: Option) -> Value:
    start = reader.here
    value = read_value(reader, f"The setting '{PREFIX}{option.name}'")
    try:
        return option.accept(value)
    except ThanoError as error:
        raise reader.error(str(error), start) from None


def _is_ours(tokens: Tokens, index: int) -> bool:
    """Whether a setting of ours follows SET or RESET."""
    first = tokens.word(index + 1)
    name = tokens.word(index + 2) if first in (*_SCOPES, "global") else first
    return name.lstrip("'\"").startswith(PREFIX)


SYNTAXES = tuple(
    Syntax(keywords=keyword, read=SetSetting.read, also_requires=_is_ours, cannot_be_names=lambda _beginning: False)
    for keyword in ("SET", "RESET")
)
