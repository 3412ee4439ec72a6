"""The progress bar of a statement: clips, hours of audio, speed relative to real time, time left.

DuckDB's own bar moves once per 2,048 rows; this one is counted inside the engine. It appears after two seconds, on
standard error, and only where somebody can see it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .bar import close_bar, open_bar

if TYPE_CHECKING:
    from tqdm import tqdm

APPEARS_AFTER_S = 2.0
DRAWN_EVERY_S = 0.1


class Progress:
    """Counts the clips of a statement, from any thread, and draws the bar at most ten times a second."""

    def __init__(self, *, shown: bool, count_rows: Callable[[], int | None] = lambda: None) -> None:
        """`count_rows` returns the expected number of rows or None; it is called once, when the bar appears."""
        self._shown = shown
        self._count_rows = count_rows
        self._lock = threading.Lock()
        self._started_s: float | None = None
        self._bar: tqdm[Any] | None = None
        self._loading: tqdm[Any] | None = None
        self._closed = False
        self._n_received = 0
        self._n_done = 0
        self._n_partial = 0.0
        self._audio_s = 0.0

    def received(self, n_clips: int) -> None:
        """The engine received `n_clips` more clips."""
        with self._lock:
            self._n_received += n_clips
            if self._started_s is None:
                self._started_s = time.monotonic()

    def done(self, n_clips: int, audio_s: float) -> None:
        """The engine finished `n_clips` more clips, `audio_s` seconds of audio in total."""
        with self._lock:
            self._n_done += n_clips
            self._audio_s += audio_s
            self._draw()

    def advanced(self, share: float, audio_s: float) -> None:
        """Long clips are further along by a share of a clip, `audio_s` seconds; negative once `done` counts them."""
        with self._lock:
            self._n_partial += share
            self._audio_s += audio_s
            if share > 0:
                self._draw()

    def show_loading(self, text: str) -> None:
        """Say what is being loaded, or done before, which takes seconds the first time."""
        with self._lock:
            if not self._shown or self._closed:
                return
            if self._loading is None:
                self._loading = open_bar(desc=text, total=1, bar_format="{desc} ..")
            elif text != self._loading.desc:
                self._loading.set_description_str(text)

    def hide_loading(self) -> None:
        """Take that away."""
        with self._lock:
            if self._loading is not None:
                close_bar(self._loading)
                self._loading = None

    def _draw(self) -> None:
        if not self._shown or self._closed:
            return
        elapsed_s = time.monotonic() - (self._started_s or time.monotonic())
        if self._bar is None:
            if elapsed_s < APPEARS_AFTER_S:
                return
            self._bar = self._open()
        if self._bar.total is not None and self._bar.total < self._n_received:
            self._bar.total = self._n_received  # the query returned more rows than were counted
        speed = self._audio_s / elapsed_s if elapsed_s > 0 else 0.0
        self._bar.set_postfix_str(f"{self._audio_s / 3600:.2f} h of audio, {speed:.0f} x real time", refresh=False)
        n_clips = round(self._n_done + self._n_partial, 2)
        self._bar.n = int(n_clips) if n_clips.is_integer() else n_clips
        self._bar.update(0)

    def _open(self) -> tqdm[Any]:
        # `miniters=0`: by default tqdm waits for as many clips as usual, and a share of one would not be drawn.
        bar = open_bar(
            desc="transcribing", total=self._count_rows(), unit="clip", mininterval=DRAWN_EVERY_S, miniters=0
        )
        bar.start_t -= APPEARS_AFTER_S
        return bar

    def close(self) -> None:
        """Remove the bar."""
        self.hide_loading()
        with self._lock:
            self._closed = True
            if self._bar is not None:
                close_bar(self._bar)
                self._bar = None


class Loading:
    """Says on the bar of a statement what is being loaded.

    Attributes:
        text: what it says; any thread may change it.
    """

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress = progress
        self.text = text

    def show(self) -> None:
        """Say it, until `Progress.hide_loading`."""
        self._progress.show_loading(self.text)
