"""A data frame written into a statement as JSON records, `[{"a": 1}, {"a": 2}]`, as SQL."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any

from thano_duckdb.dialect.quoting import literal

_NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE")  # each holds the ones before


def records(text: str) -> str:
    """A list of structs with the values of `text`; keys that a record lacks are NULL.

    Raises:
        ValueError: it is not a list of JSON objects, or an empty one.
    """
    try:
        rows = json.loads(text, parse_constant=_refuse)
        if not rows or not all(isinstance(row, dict) and row for row in rows):
            raise ValueError("write a list of objects, [{..}, {..}], with at least one")
        structure = json.dumps([_filled(reduce(_merged, map(_type, rows)))], ensure_ascii=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return f"system.main.from_json({literal(text)}, {literal(structure)})"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON: write null")


def _type(value: Any) -> Any:
    """The type of a value as DuckDB's `from_json` takes it; None for null, which has any."""
    match value:
        case None:
            return None
        case bool():
            return "BOOLEAN"
        case int() if abs(value) < 2**63:
            return "BIGINT"
        case int() if abs(value) < 2**127:
            return "HUGEINT"
        case int() | float():
            return "DOUBLE"
        case str():
            return "VARCHAR"
        case list():
            return [reduce(_merged, map(_type, value), None)]
        case _:
            return {key: _type(item) for key, item in value.items()} or "JSON"


def _filled(kind: Any) -> Any:
    """The type with VARCHAR where all values are null."""
    if isinstance(kind, dict):
        return {key: _filled(each) for key, each in kind.items()}
    return [_filled(kind[0])] if isinstance(kind, list) else kind or "VARCHAR"


def _merged(one: Any, other: Any) -> Any:
    """The type of values of both types."""
    if one is None or one == other:
        return other
    if other is None:
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _merged(one.get(key), other.get(key)) for key in one | other}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    if one in _NUMBERS and other in _NUMBERS:
        return max(one, other, key=_NUMBERS.index)
    return "VARCHAR" if isinstance(one, str) and isinstance(other, str) and "JSON" not in (one, other) else "JSON"
