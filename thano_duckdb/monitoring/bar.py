"""A progress bar on standard error: when it is shown, how it is opened and closed."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

WIDTH_CHARS = 80
"""Of a terminal that does not say how wide it is."""


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
    return bar_class(leave=False, disable=False, **_width(), file=sys.stderr, **settings)


def _width() -> dict[str, Any]:
    """The width as tqdm takes it: that of the terminal, where it has one. A pseudo-terminal often has 0 columns."""
    with contextlib.suppress(OSError, ValueError):  # no terminal, or no file
        if os.get_terminal_size(sys.stderr.fileno()).columns == 0:
            return {"ncols": WIDTH_CHARS}
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
