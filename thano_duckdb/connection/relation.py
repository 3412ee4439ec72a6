"""A DuckDB relation of one of our connections: the same lazy query, whose runs are statements of that connection.

A relation runs each time it is read, so each read has its own progress bar, its own Ctrl-C and its own warning of
failed clips. The relation stays a `DuckDBPyRelation`: DuckDB scans it by the name of its Python variable, joins it
with plain relations, and it has every method of DuckDB's.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb
from duckdb import DuckDBPyRelation

from thano_duckdb.audio.limits import DEFAULT_LIMITS, ReadLimits
from thano_duckdb.caller import call_in_user_frame
from thano_duckdb.dialect import rewrite


class RelationOwner(Protocol):
    """The connection of a relation, as far as a relation needs it."""

    @property
    def read_limits(self) -> ReadLimits:
        """What reading one of its clips may take."""

    def file_cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor to read remote files on."""

    def reading(self, relation: Relation) -> AbstractContextManager[None]:
        """The context within which `relation` is read."""

    def query_over(self, relation: Relation, name: str, query: Any) -> Any:
        """What `relation.query(name, query)` gives."""

    def shown_text(self, relation: Relation) -> str | None:
        """What showing `relation` prints instead of a table of its rows; None for these."""


class Relation(DuckDBPyRelation):
    """A relation whose public methods run as statements of its owner."""

    __slots__ = ()


_owners: weakref.WeakKeyDictionary[Relation, RelationOwner] = weakref.WeakKeyDictionary()
"""Keeps the connection of a relation as long as the relation, which has no room for it.

A class for each connection would have, but classes are freed only by the garbage collector, and their connections with
them."""


def adopt(result: Any, owner: RelationOwner) -> Any:
    """Make a plain relation one of `owner`; anything else comes back as it is."""
    if type(result) is DuckDBPyRelation:
        # Same layout, other methods: the object that DuckDB made lives on, with all that DuckDB's own code keeps in it.
        result.__class__ = Relation
    if isinstance(result, Relation):
        _owners.setdefault(result, owner)
    return result


def limits_of(result: object) -> ReadLimits:
    """What reading a clip of a result may take: as its connection says where it is one of our relations."""
    owner = _owners.get(result) if isinstance(result, Relation) else None
    return DEFAULT_LIMITS if owner is None else owner.read_limits


def file_cursors_of(result: object) -> Callable[[], duckdb.DuckDBPyConnection] | None:
    """What gives cursors to read the remote files of a result on, where it is one of our relations."""
    owner = _owners.get(result) if isinstance(result, Relation) else None
    return None if owner is None else owner.file_cursor


def _as_statement(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, run as a statement of the relation's owner."""
    takes_expressions = method.__name__ in _TAKE_EXPRESSIONS

    @functools.wraps(method)
    def run(self: Relation, /, *args: Any, **kwargs: Any) -> Any:
        owner = _owners.get(self)
        if owner is None:  # made by DuckDB's own code on the way to one of our relations
            return method(self, *args, **kwargs)
        if takes_expressions:
            args = tuple(map(_expression, args))
            kwargs = {name: _expression(value) for name, value in kwargs.items()}
        with owner.reading(self):
            return adopt(call_in_user_frame(method, self, *args, **kwargs), owner)

    return run


def _expression(argument: Any) -> Any:
    """An expression given as text, with our statements in its subqueries rewritten; anything else as it is."""
    if not isinstance(argument, str):
        return argument
    return rewrite(f"{_BEFORE_EXPRESSION}{argument}").removeprefix(_BEFORE_EXPRESSION)


@functools.wraps(DuckDBPyRelation.query)
def _query(self: Relation, virtual_table_name: str, sql_query: Any) -> Any:
    owner = _owners.get(self)
    if owner is None:
        return DuckDBPyRelation.query(self, virtual_table_name, sql_query)
    return owner.query_over(self, virtual_table_name, sql_query)


def _as_shown(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` gives a table of the rows as text, unless the relation is shown otherwise, as an explanation is."""
    read = _as_statement(method)

    @functools.wraps(method)
    def show(self: Relation, /, *args: Any, **kwargs: Any) -> Any:
        owner = _owners.get(self)
        text = None if owner is None else owner.shown_text(self)
        if text is None:
            return read(self, *args, **kwargs)
        if method.__name__ != "show":
            return text
        print(text)  # noqa: T201 - as DuckDB's own does
        return None

    return show


def _rows_as_statement(method: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Likewise for a generator, whose statement ends with its last row."""

    @functools.wraps(method)
    def rows(self: Relation, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        owner = _owners.get(self)
        if owner is None:
            yield from method(self, *args, **kwargs)
            return
        with owner.reading(self):
            yield from method(self, *args, **kwargs)

    return rows


_BEFORE_EXPRESSION = "SELECT "
"""So that `list model` at the beginning is a column and its alias."""
_TAKE_EXPRESSIONS = ("aggregate", "filter", "join", "order", "project", "select")
_READING_OPERATORS = ("__repr__", "__str__", "__len__", "__contains__", "__getitem__", "__arrow_c_stream__")

for _name in dir(duckdb.DuckDBPyRelation):
    _method = getattr(DuckDBPyRelation, _name)
    if callable(_method) and (not _name.startswith("_") or _name in _READING_OPERATORS):
        setattr(Relation, _name, (_rows_as_statement if _name == "iter_rows" else _as_statement)(_method))
for _name in ("show", "__repr__", "__str__"):
    setattr(Relation, _name, _as_shown(getattr(DuckDBPyRelation, _name)))
setattr(Relation, "query", _query)  # noqa: B010 - mypy takes no assignment to a method
