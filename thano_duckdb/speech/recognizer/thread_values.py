"""Values of the batch that a thread computes; several threads share a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextlib.contextmanager
def assigned(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Within this context, on this thread, `variable` has a value."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
