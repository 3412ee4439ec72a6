"""The progress bar of a language model that is being built: the sentences while they come in, then its stages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .bar import close_bar, open_bar

if TYPE_CHECKING:
    from tqdm import tqdm


class LanguageBar:
    """Drawn on standard error, from any thread."""

    def __init__(self, *, shown: bool, n_stages: int) -> None:
        """Draw nothing unless `shown`; after the sentences come `n_stages` stages."""
        self._shown = shown
        self._n_stages = n_stages
        self._stage = 0
        self._lock = threading.Lock()
        self._bar: tqdm[Any] | None = None

    def count_sentences(self, n_sentences: int) -> None:
        """`n_sentences` more have been read."""
        with self._lock:
            if self._shown and self._bar is None:
                self._bar = open_bar(desc="reading", unit="sentence", unit_scale=True)
            if self._bar is not None:
                self._bar.update(n_sentences)

    def show_stage(self, stage: str) -> None:
        """The next stage begins."""
        with self._lock:
            if not self._shown:
                return
            if self._stage == 0 and self._bar is not None:
                close_bar(self._bar)
                self._bar = None
            if self._bar is None:
                self._bar = open_bar(total=self._n_stages, unit="stage")
            self._bar.set_description_str(stage, refresh=False)
            self._bar.n = self._stage
            self._bar.refresh()
            self._stage += 1

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._bar is not None:
                close_bar(self._bar)
                self._bar = None
            self._shown = False
