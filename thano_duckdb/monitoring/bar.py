"""A progress bar on standard error: when it is shown, how it is opened and closed."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

WIDTH_CHARS, HEIGHT_LINES = 80, 20
"""Of a terminal that does not say how large it is."""


def is_shown(wanted: bool | str) -> bool:
    """Whether to show a bar, by the keyword `progress` of `connect`.

    Args:
        wanted: True, False, or 'auto': where somebody can see it, that is in a terminal or a notebook.
    """
    if sys.stderr is None or getattr(sys.stderr, "closed", False) or os.environ.get("TQDM_DISABLE"):
        return False
    return sys.stderr.isatty() or _in_notebook() if wanted == "auto" else bool(wanted)


def open_bar(**settings: Any) -> tqdm[Any]:
    """Open a bar on standard error: a widget in a notebook, text elsewhere. It disappears when it is closed."""
    bar_class: type[tqdm[Any]]
    if _in_notebook():
        from tqdm.notebook import tqdm_notebook as bar_class
    else:
        from tqdm import tqdm as bar_class
    # `disable=False`: a bar that TQDM_DISABLE has disabled lacks most attributes; `is_shown` looks at that variable.
    return bar_class(leave=False, disable=False, **_size(), file=sys.stderr, **settings)


def _size() -> dict[str, Any]:
    """The size as tqdm takes it: that of the terminal, where it has one.

    A pseudo-terminal often has 0 columns and 0 rows. There tqdm counts -1 rows, and shows nothing.
    """
    with contextlib.suppress(OSError, ValueError):  # no terminal, or no file
        size = os.get_terminal_size(sys.stderr.fileno())
        if 0 in size:
            return {"ncols": size.columns or WIDTH_CHARS, "nrows": size.lines or HEIGHT_LINES}
    return {"dynamic_ncols": True}


def close_bar(bar: tqdm[Any]) -> None:
    """Remove a bar, full or not: a notebook keeps the widget of one that has not reached its total, in red."""
    bar.total = bar.n
    bar.close()


def _in_notebook() -> bool:
    """Whether this process is a Jupyter kernel (asked without importing IPython)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
