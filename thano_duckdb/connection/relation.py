"""A DuckDB relation of one of our connections: the same lazy query, whose runs are statements of that connection.

A relation runs each time it is read, so each read has its own progress bar, its own Ctrl-C and its own warning of
failed clips. The relation stays a `DuckDBPyRelation`: DuckDB scans it by the name of its Python variable, joins it
with plain relations, and it has every method of DuckDB's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb
from duckdb import DuckDBPyRelation

from thano_duckdb.caller import call_in_user_frame


class RelationOwner(Protocol):
    """The connection of a relation, as far as a relation needs it."""

    def reading(self, relation: Relation) -> AbstractContextManager[None]:
        """The context within which `relation` is read."""


class Relation(DuckDBPyRelation):
    """A relation whose public methods run as statements of its owner. One subclass for each connection."""

    __slots__ = ()
    owner: RelationOwner


def relation_class(owner: RelationOwner) -> type[Relation]:
    """The class of the relations of a connection."""
    return type("Relation", (Relation,), {"__slots__": (), "__module__": __name__, "owner": owner})


def adopt(result: Any, relation_class: type[Relation]) -> Any:
    """Make a plain relation one of `relation_class`; anything else comes back as it is."""
    if type(result) is DuckDBPyRelation:
        # Same layout, other methods: the object that DuckDB made lives on, with all that DuckDB's own code keeps in it.
        result.__class__ = relation_class
    return result


def _as_statement(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, run as a statement of the relation's owner."""

    @functools.wraps(method)
    def run(self: Relation, *args: Any, **kwargs: Any) -> Any:
        with self.owner.reading(self):
            return adopt(call_in_user_frame(method, self, *args, **kwargs), type(self))

    return run


def _rows_as_statement(method: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Likewise for a generator, whose statement ends with its last row."""

    @functools.wraps(method)
    def rows(self: Relation, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with self.owner.reading(self):
            yield from method(self, *args, **kwargs)

    return rows


_READING_OPERATORS = ("__repr__", "__str__", "__len__", "__contains__", "__getitem__", "__arrow_c_stream__")

for _name in dir(duckdb.DuckDBPyRelation):
    _method = getattr(DuckDBPyRelation, _name)
    if callable(_method) and (not _name.startswith("_") or _name in _READING_OPERATORS):
        setattr(Relation, _name, (_rows_as_statement if _name == "iter_rows" else _as_statement)(_method))
