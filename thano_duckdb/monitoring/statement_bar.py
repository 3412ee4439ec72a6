"""The progress bar of a statement: clips, audio hours, speed over real time, time left.

DuckDB's own bar moves once per 2,048 rows; this one counts inside the engine. It appears after two seconds, on
standard error, and only where somebody can see it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

APPEARS_AFTER_S = 2.0
DRAWN_EVERY_S = 0.1


def is_watched() -> bool:
    """Whether a person can see a bar: a terminal, or a notebook's kernel."""
    return sys.stderr.isatty() or _in_notebook()


def is_shown(wanted: bool | str) -> bool:
    """What the keyword `progress` of `connect` means here: 'auto', True or False."""
    return is_watched() if wanted == "auto" else bool(wanted)


def open_bar(**settings: Any) -> tqdm[Any]:
    """A bar on standard error: a widget in a notebook, text elsewhere, gone when it is closed."""
    bar_class: type[tqdm[Any]]
    if _in_notebook():
        from tqdm.notebook import tqdm_notebook as bar_class
    else:
        from tqdm import tqdm as bar_class
    return bar_class(leave=False, dynamic_ncols=True, file=sys.stderr, **settings)


def close_bar(bar: tqdm[Any]) -> None:
    """Take a bar away: a widget that is short of its total would stay, in red."""
    bar.total = bar.n
    bar.close()


def _in_notebook() -> bool:
    """Whether this process is a Jupyter kernel (asked without importing IPython)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class Progress:
    """Counts from any thread; draws at most ten times a second."""

    def __init__(self, *, shown: bool, count_rows: Callable[[], int | None] = lambda: None) -> None:
        """`count_rows` gives the rows to expect, or None; it is called once, when the bar appears."""
        self._shown = shown
        self._count_rows = count_rows
        self._lock = threading.Lock()
        self._started_s: float | None = None
        self._bar: tqdm[Any] | None = None
        self._closed = False
        self._n_received = 0
        self._n_done = 0
        self._audio_s = 0.0

    def received(self, n_clips: int) -> None:
        """`n_clips` more are on their way."""
        with self._lock:
            self._n_received += n_clips
            if self._started_s is None:
                self._started_s = time.monotonic()

    def done(self, n_clips: int, audio_s: float) -> None:
        """`n_clips` of together `audio_s` seconds are finished."""
        with self._lock:
            self._n_done += n_clips
            self._audio_s += audio_s
            if self._shown and not self._closed:
                self._draw(n_clips)

    def _draw(self, n_new: int) -> None:
        elapsed_s = time.monotonic() - (self._started_s or time.monotonic())
        if self._bar is None:
            if elapsed_s < APPEARS_AFTER_S:
                return
            self._bar = self._open()
            n_new = self._n_done
        if self._bar.total is not None and self._bar.total < self._n_received:
            self._bar.total = self._n_received  # the query gave more rows than were counted
        speed = self._audio_s / elapsed_s if elapsed_s > 0 else 0.0
        self._bar.set_postfix_str(f"{self._audio_s / 3600:.2f} h of audio, {speed:.0f} x real time", refresh=False)
        self._bar.update(n_new)

    def _open(self) -> tqdm[Any]:
        bar = open_bar(desc="transcribing", total=self._count_rows(), unit="clip", mininterval=DRAWN_EVERY_S)
        bar.start_t -= APPEARS_AFTER_S
        return bar

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._closed = True
            if self._bar is not None:
                close_bar(self._bar)
                self._bar = None
