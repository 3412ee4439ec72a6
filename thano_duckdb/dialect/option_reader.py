"""Reads `OPTIONS (name = value, ..)` of one of our statements."""

from __future__ import annotations

from duckdb import token_type

from thano_duckdb.errors import ThanoError
from thano_duckdb.option import Scalar, StatementKind, Value
from thano_duckdb.options import find_option

from .given_options import Given, GivenOptions
from .span import Span
from .token_reader import TokenReader

_CONSTANTS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}


def read_options(reader: TokenReader, statement: StatementKind) -> GivenOptions:
    """Read `OPTIONS (name = value, ..)`, or nothing where it is omitted.

    Raises:
        DialectError: it is not well formed, or holds an option or a value that the statement does not take.
    """
    if reader.word == "with" and reader.tokens.word(reader.index + 1) == "(":
        raise reader.error("WITH does not give options. Did you mean OPTIONS (..)?")
    if reader.word != "options":
        return GivenOptions(statement)
    reader.skip()
    opened_at = reader.here
    reader.expect("(", "OPTIONS is followed by (")
    given: dict[str, Given] = {}
    while reader.word != ")":
        _not_at_end(reader, opened_at)
        read = _option(reader, statement)
        name = read.option.name
        if name in given:
            spellings = (which.name_span.of(reader.tokens.sql) for which in (given[name], read))
            raise reader.error(read.option.given_twice(*spellings), read.name_span.start)
        given[name] = read
        _separator(reader, opened_at, ")", name)
    reader.skip()
    if reader.word == "options":
        raise reader.error("OPTIONS is given twice: write all options in one OPTIONS (..), with commas between them")
    return GivenOptions(statement, tuple(given.values()))


def _option(reader: TokenReader, statement: StatementKind) -> Given:
    token = reader.token
    if token.kind not in (token_type.identifier, token_type.keyword) or reader.is_quoted():
        raise reader.error(f"OPTIONS takes name = value; {reader.shown} is not the name of an option")
    try:
        option = find_option(statement, token.text)
    except ThanoError as error:
        raise reader.error(str(error)) from None
    reader.skip()
    reader.expect("=", f"The option '{token.text}' is followed by = and a value")
    start = reader.here
    value = read_value(reader, f"The option '{token.text}'")
    span = Span(start, reader.tokens.end(reader.index - 1))
    try:
        accepted = None if value is None else option.accept(value)
    except ThanoError as error:
        raise reader.error(str(error), start) from None
    return Given(option, accepted, Span(token.start, token.end), span)


def _separator(reader: TokenReader, opened_at: int, closing: str, name: str) -> None:
    """Read the comma after a value; one after the last value is optional, as in DuckDB's lists."""
    if reader.word == ",":
        reader.skip()
    elif reader.word != closing:
        _not_at_end(reader, opened_at)
        raise reader.error(
            f"After the value of '{name}' comes a comma or {closing}, not {reader.shown};"
            " put a value in quotes unless it is one number or one word, and double a quote within it ('O''Brien')"
        )


def _not_at_end(reader: TokenReader, opened_at: int) -> None:
    if reader.at_end:
        opening = reader.tokens.sql[opened_at]
        raise reader.error(f"This {opening} is never closed", opened_at)


def read_value(reader: TokenReader, owner: str) -> Value:
    """Read a literal, or a list of literals in brackets.

    Args:
        reader: in front of it.
        owner: what it is the value of, for messages, such as `The option 'epochs'`.

    Raises:
        DialectError: there is none, or it is written in another way.
    """
    if reader.word != "[":
        return _scalar(reader, owner)
    opened_at = reader.here
    reader.skip()
    items: list[Scalar] = []
    while reader.word != "]":
        _not_at_end(reader, opened_at)
        items.append(_scalar(reader, owner))
        _separator(reader, opened_at, "]", owner.split("'")[1])
    reader.skip()
    return items


def _scalar(reader: TokenReader, owner: str) -> Scalar:
    if reader.at_end or reader.word in (",", ")", "]"):
        raise reader.error(f"{owner} has no value")
    if reader.word in ("?", "$"):
        raise reader.error(f"{owner} takes a literal, not a parameter")
    token = reader.token
    if reader.is_quoted():
        return reader.string()
    if reader.word in ("-", "+") or token.kind is token_type.numeric_const:
        return _number(reader, owner)
    if token.kind in (token_type.identifier, token_type.keyword):
        reader.skip()
        return _CONSTANTS.get(token.text.lower(), token.text)
    raise reader.error(
        f"{owner} takes a number, True, False, NULL, a word, a text in quotes or a list [..], not {reader.shown}"
    )


def _number(reader: TokenReader, owner: str) -> int | float:
    start = reader.here
    sign = -1 if reader.word == "-" else 1
    if reader.word in ("-", "+"):
        reader.skip()
    number: int | float
    try:
        number = int(reader.word)
    except ValueError:
        try:
            number = float(reader.word)
        except ValueError:
            raise reader.error(f"{owner}: this is not a number", start) from None
    reader.skip()
    return sign * number
