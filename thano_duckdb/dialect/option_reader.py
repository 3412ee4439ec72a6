"""Reads `OPTIONS (name = value, ..)` of a statement of ours."""

from __future__ import annotations

from duckdb import token_type

from .cursor import Cursor
from .option import Scalar, Statement, Value
from .options import Given, Options, find_option
from .span import Span

_CONSTANTS: dict[str, Scalar] = {"true": True, "false": False, "none": None, "null": None}


def read_options(cursor: Cursor, statement: Statement) -> Options:
    """Read `OPTIONS (name = value, ..)`, or nothing where it is left away.

    Raises:
        DialectError: it is not well formed, or holds an option or a value that the statement does not take.
    """
    if cursor.word != "options":
        return Options(statement)
    cursor.skip()
    opened_at = cursor.here
    cursor.expect("(", "OPTIONS is followed by (")
    given: dict[str, Given] = {}
    while cursor.word != ")":
        _not_at_end(cursor, opened_at)
        read = _option(cursor, statement)
        name = read.option.name
        if name in given:
            spellings = {which.name_span.of(cursor.tokens.sql): None for which in (given[name], read)}
            twice = " and ".join(f"'{spelling}'" for spelling in spellings)
            raise cursor.error(f"The option {twice} is given twice", read.name_span.start)
        given[name] = read
        _separator(cursor, opened_at, ")", name)
    cursor.skip()
    return Options(statement, tuple(given.values()))


def _option(cursor: Cursor, statement: Statement) -> Given:
    token = cursor.token
    if token.kind not in (token_type.identifier, token_type.keyword) or cursor.is_quoted():
        raise cursor.error(f"OPTIONS holds name = value, and {cursor.shown} is not the name of an option")
    try:
        option = find_option(statement, token.text)
    except ValueError as error:
        raise cursor.error(str(error)) from None
    cursor.skip()
    cursor.expect("=", f"The option '{token.text}' is followed by = and a value")
    start = cursor.here
    value = _value(cursor, f"The option '{token.text}'")
    span = Span(start, cursor.tokens.end(cursor.index - 1))
    try:
        accepted = None if value is None else option.accept(value)
    except ValueError as error:
        raise cursor.error(str(error), start) from None
    return Given(option, accepted, Span(token.start, token.end), span)


def _separator(cursor: Cursor, opened_at: int, closing: str, name: str) -> None:
    """Read the comma behind a value; the last one may be left away, or stand there, as in DuckDB's lists."""
    if cursor.word == ",":
        cursor.skip()
    elif cursor.word != closing:
        _not_at_end(cursor, opened_at)
        raise cursor.error(
            f"After the value of '{name}' comes a comma or {closing}, not {cursor.shown};"
            " a value that is more than a number or a word stands in quotes"
        )


def _not_at_end(cursor: Cursor, opened_at: int) -> None:
    if cursor.at_end:
        opening = cursor.tokens.sql[opened_at]
        raise cursor.error(f"This {opening} is never closed", opened_at)


def _value(cursor: Cursor, owner: str) -> Value:
    if cursor.word != "[":
        return _scalar(cursor, owner)
    opened_at = cursor.here
    cursor.skip()
    items: list[Scalar] = []
    while cursor.word != "]":
        _not_at_end(cursor, opened_at)
        items.append(_scalar(cursor, owner))
        _separator(cursor, opened_at, "]", owner.split("'")[1])
    cursor.skip()
    return items


def _scalar(cursor: Cursor, owner: str) -> Scalar:
    if cursor.at_end or cursor.word in (",", ")", "]"):
        raise cursor.error(f"{owner} has no value")
    if cursor.word in ("?", "$"):
        raise cursor.error(f"{owner} takes a literal: a parameter cannot stand here")
    token = cursor.token
    if cursor.is_quoted():
        return cursor.string()
    if cursor.word in ("-", "+") or token.kind is token_type.numeric_const:
        return _number(cursor, owner)
    if token.kind in (token_type.identifier, token_type.keyword):
        cursor.skip()
        return _CONSTANTS.get(token.text.lower(), token.text)
    raise cursor.error(
        f"{owner} takes a number, True, False, NULL, a word, a text in quotes or a list [..], not {cursor.shown}"
    )


def _number(cursor: Cursor, owner: str) -> int | float:
    start = cursor.here
    sign = -1 if cursor.word == "-" else 1
    if cursor.word in ("-", "+"):
        cursor.skip()
    number: int | float
    try:
        number = int(cursor.word)
    except ValueError:
        try:
            number = float(cursor.word)
        except ValueError:
            raise cursor.error(f"{owner}: this is not a number", start) from None
    cursor.skip()
    return sign * number
