"""What our functions collect during one statement."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from thano_duckdb.connection.session import Session

T = TypeVar("T")


class PerStatement(Generic[T]):
    """A value for each statement, or for each session whose statements are not known (plain DuckDB)."""

    def __init__(self, key: str, make: Callable[[Session], T]) -> None:
        """`make` makes the value, which must not refer to the session; `key` is unique among those of a statement."""
        self._key = key
        self._make = make
        self._without_statement: weakref.WeakKeyDictionary[Session, T] = weakref.WeakKeyDictionary()

    def of(self, session: Session) -> T:
        """The value for the statement that runs now."""
        if (statement := session.statement) is not None:
            return statement.pinned(self._key, lambda: self._make(session))
        if session not in self._without_statement:
            return self._without_statement.setdefault(session, self._make(session))
        return self._without_statement[session]
