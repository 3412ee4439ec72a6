"""One statement while it runs: what our functions tell of it, its interrupt, and its last word."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thano_duckdb.caller import warn
from thano_duckdb.errors import AudioError, Cancelled
from thano_duckdb.monitoring.statement_bar import Progress

if TYPE_CHECKING:
    from thano_duckdb.models.resolve import ResolvedModel


@dataclass(frozen=True)
class Failure:
    """A clip that gives NULL."""

    location: str
    reason: str


class Statement:
    """Implements `Monitor` for the calls of one statement, on whichever threads DuckDB makes them."""

    def __init__(self, source: str, progress: Progress, *, known: set[str] | None = None) -> None:
        """A statement that begins now.

        Args:
            source: its text as the user wrote it.
            progress: is shown while it runs.
            known: what earlier runs of the same request have warned of; what this one warns of is added.
        """
        self.source = source
        self.farewell = "Interrupted."
        """What to say to a user who pressed Ctrl-C."""
        self._progress = progress
        self._begun_s = time.monotonic()
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._first_failure: Failure | None = None
        self._failed: set[int] = set()
        self._n_reported = 0
        self._computed_s = 0.0
        self._models: dict[str, ResolvedModel] = {}
        self._resolving = threading.Lock()
        self._notices: list[str] = []
        self._known = set() if known is None else known
        self._replaced: dict[str, None] = {}

    @property
    def cancelled(self) -> bool:
        """Whether the user has asked to stop."""
        return self._cancelled.is_set()

    @property
    def elapsed_s(self) -> float:
        """How long the statement has run."""
        return time.monotonic() - self._begun_s

    def cancel(self) -> None:
        """Ask the engine to stop; safe in a signal handler."""
        self._cancelled.set()

    def raise_if_cancelled(self) -> None:
        """See `Monitor`."""
        if self._cancelled.is_set():
            self.farewell = "Interrupted. What was transcribed is kept: the same statement goes on from there."
            raise Cancelled(self.farewell)

    def clips_received(self, n_clips: int) -> None:
        """See `Monitor`."""
        self._progress.received(n_clips)

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """See `Monitor`."""
        with self._lock:
            self._computed_s += audio_s
        self._progress.done(n_clips, audio_s)

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        """See `Monitor`."""
        self._progress.done(n_clips, audio_s)

    @property
    def speed(self) -> float | None:
        """Seconds of audio that went through a model, by seconds since the statement began; None where nothing did."""
        return self._computed_s / self.elapsed_s if self._computed_s else None

    def clip_failed(self, location: str, reason: str) -> None:
        """See `Monitor`. A clip that DuckDB asks for twice counts once."""
        with self._lock:
            self._first_failure = self._first_failure or Failure(location, reason)
            self._failed.add(hash(location))

    def resolve(self, spec: str, find: Callable[[], ResolvedModel]) -> ResolvedModel:
        """What `find` said first of a model's name: one statement never mixes two models."""
        with self._resolving:
            if spec not in self._models:
                self._models[spec] = found = find()
                if found.notice:
                    self._notices.append(found.notice)
            return self._models[spec]

    def column_replaced(self, name: str) -> None:
        """A column of the query is replaced by a new one of that name; DuckDB may report it several times."""
        if name not in self._known:
            self._known.add(name)
            self._replaced[name] = None

    def notice(self, sentence: str) -> None:
        """Something that a function has to say; a lazy relation that is read again says it only once."""
        if sentence not in self._known:
            self._known.add(sentence)
            self._notices.append(sentence)

    @property
    def has_news(self) -> bool:
        """Whether there is anything that `finish` has not told yet."""
        return bool(self._notices or self._replaced) or self._has_failures

    @property
    def _has_failures(self) -> bool:
        return len(self._failed) > self._n_reported

    def close(self) -> None:
        """Take the bar away."""
        self._progress.close()

    def finish(self) -> None:
        """Close, and warn once of models that stand in, and of the clips that failed since the last call."""
        self.close()
        notices, self._notices = self._notices, []
        for notice in notices:
            warn(notice)
        replaced, self._replaced = list(self._replaced), {}
        if replaced:
            warn(replaced_columns_warning(replaced))
        if not self._has_failures or self._first_failure is None:
            return
        n_failed, self._n_reported = len(self._failed), len(self._failed)
        first, clips = self._first_failure, "clip" if n_failed == 1 else "clips"
        warn(
            f"{n_failed} {clips} could not be transcribed and gave NULL ({first.location}:"
            f" {first.reason}{'; ...' if n_failed > 1 else ''}). PREDICT with OPTIONS (include='error')"
            " shows each reason."
        )


def replaced_columns_warning(names: list[str]) -> str:
    """The sentence that names the columns of a query which new ones of the same name replace."""
    quoted = ", ".join(f"'{name}'" for name in names)
    if len(names) == 1:
        return f"The column {quoted} of the query is replaced by the new column of that name."
    return f"The columns {quoted} of the query are replaced by the new columns of those names."


class FailFast:
    """A monitor that stops the statement at the first clip that fails (`on_error='fail'`)."""

    def __init__(self, statement: Statement) -> None:
        """Everything but failures goes on to `statement`."""
        self.raise_if_cancelled = statement.raise_if_cancelled
        self.clips_received = statement.clips_received
        self.clips_done = statement.clips_done
        self.clips_cached = statement.clips_cached

    def clip_failed(self, location: str, reason: str) -> None:
        """See `Monitor`.

        Raises:
            AudioError: always.
        """
        raise AudioError(f"{location}: {reason} (the statement says on_error='fail'; 'null' would go on)")
