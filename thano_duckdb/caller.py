"""The user's frame: whose variables DuckDB scans, and where warnings point; and how warnings are shown.

DuckDB finds `SELECT * FROM my_dataframe` among the variables of the frame that calls it, which behind our connection
would be one of our own. So calls into DuckDB are made from a frame that holds the user's variables. In a notebook's
cell no frame holds them: there `in_cell` provides them.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import duckdb

from .errors import ThanoWarning, on_one_line
from .masking import mask_secrets

T = TypeVar("T")

_NOT_USER_CODE = (
    str(Path(__file__).parent),
    str(Path(duckdb.__file__).parent),
    "<thano_duckdb",
)
_CONTEXTLIB = "contextlib.py"
_CALL = compile("_thano_duckdb_call()", "<thano_duckdb: called in the user's frame>", "eval")

_cell_variables: ContextVar[Mapping[str, Any] | None] = ContextVar("_cell_variables", default=None)


@contextlib.contextmanager
def in_cell(variables: Mapping[str, Any]) -> Iterator[None]:
    """Within the block these are the user's variables, and warnings point at no line of Python."""
    token = _cell_variables.set(variables)
    try:
        yield
    finally:
        _cell_variables.reset(token)


def user_frame() -> FrameType | None:
    """The nearest frame that is neither ours nor DuckDB's, or None on a thread that the user did not start."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_NOT_USER_CODE) and not file.endswith(_CONTEXTLIB):
            return frame
        frame = frame.f_back
    return None


def call_in_user_frame(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """`function(*args, **kwargs)`, with the user's local and global variables in the calling frame."""
    variables, in_globals, code = _cell_variables.get(), vars(builtins), _CALL
    if variables is None:
        frame = user_frame()
        if frame is None:
            return function(*args, **kwargs)
        variables, in_globals = frame.f_locals, frame.f_globals
        # DuckDB's own warnings and errors name the line that calls it.
        code = _CALL.replace(co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno)
    # `partial` is written in C and has no frame: the function is called straight from the evaluated text.
    local = {**variables, "_thano_duckdb_call": functools.partial(function, *args, **kwargs)}
    result: T = eval(code, in_globals, local)
    return result


def warn(message: str) -> None:
    """Warn with our own class, pointing at the user's line; the message is masked and cleaned as that of an error.

    Without a registry of what a line has warned of before: the same statement in a loop warns each time it runs, unless
    the user's own filters say otherwise.
    """
    message = mask_secrets(on_one_line(message))
    if _cell_variables.get() is not None:
        warnings.warn_explicit(message, ThanoWarning, filename="<cell>", lineno=1, registry=None)
        return
    frame = user_frame() or sys._getframe(1)
    warnings.warn_explicit(
        message,
        ThanoWarning,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__", "<unknown>"),
        registry=None,
    )


@contextlib.contextmanager
def warnings_on_one_line(label: str = ThanoWarning.__name__, *, repeat: bool = True) -> Iterator[None]:
    """Within the block our warnings are shown as `label: message`; others as before.

    Where they point to in Python says nothing in a shell or a notebook's cell.

    Args:
        label: what stands in front of the message.
        repeat: whether the same message is shown more than once.
    """
    shown: set[str] = set()
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *location: Any, **more: Any) -> None:
        if not issubclass(category, ThanoWarning):
            before(message, category, *location, **more)
        elif repeat or str(message) not in shown:
            shown.add(str(message))
            print(f"{label}: {message}", file=sys.stderr)  # noqa: T201

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
