"""A statement while it runs: what our functions report of it, its cancellation, and its pending warnings."""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from thano_duckdb.audio.mixed_clips import REMEDY, REMEDY_OF_FUNCTION, MixedClips
from thano_duckdb.caller import warn
from thano_duckdb.errors import AudioError, Cancelled, counted, located, named_characters
from thano_duckdb.monitoring.statement_bar import Loading, Progress

if TYPE_CHECKING:
    from thano_duckdb.dialect import ChangingCall
    from thano_duckdb.models.resolve import ResolvedModel
    from thano_duckdb.speech.decoding.vocabulary import Vocabulary

    from .second_reading import SecondReading

T = TypeVar("T")

TRANSCRIPTS_KEPT = (
    "Interrupted. What was transcribed is kept until this process ends: run the same statement again to continue from "
    "there."
)
TRANSCRIPTS_LAST = (
    "Interrupted. What was transcribed is kept: run the same statement again, in any process, to continue from there."
)
REASONS_OF_PREDICT = "PREDICT with OPTIONS (include='error') shows each reason."
REASONS_OF_FUNCTION = "thano_transcribe(..).error shows each reason."
REASONS_OF_EITHER = "PREDICT with OPTIONS (include='error'), or thano_transcribe(..).error, shows each reason."
_POLL_S = 0.1


class StopReason(enum.Enum):
    """Who asked a statement to stop."""

    CTRL_C = enum.auto()
    INTERRUPT = enum.auto()
    """`Connection.interrupt`, called by another thread."""
    CLOSE = enum.auto()
    """`Connection.close`, likewise."""


@dataclass(frozen=True)
class Failure:
    """A clip that gives NULL."""

    location: str
    reason: str


class RunningStatement:
    """Implements `Monitor` for the calls of one statement, on whichever threads DuckDB makes them."""

    def __init__(
        self,
        source: str,
        progress: Progress,
        *,
        warned_of: set[str] | None = None,
        changes: tuple[ChangingCall, ...] = (),
        reasons: str = REASONS_OF_FUNCTION,
        is_plan: bool = False,
        second_reading: SecondReading | None = None,
    ) -> None:
        """A statement that starts now.

        Args:
            source: its text as the user wrote it.
            progress: is shown while it runs.
            warned_of: what earlier runs of the same request have warned of; what this one warns of is added.
            changes: the calls of its text that change models or write a data set; each allows one such change.
            reasons: the sentence that says how to see why each clip failed.
            is_plan: it only says what another statement will take, so that no model runs in it.
            second_reading: reads its rows ahead of DuckDB; None where they are not.
        """
        self.source = source
        self.is_plan = is_plan
        self._allowed = list(changes)
        self._reasons = reasons
        self.interrupt_message = "Interrupted."
        """What a user who stopped it reads."""
        self._progress = progress
        self._started_s = time.monotonic()
        self._stop_reason: StopReason | None = None
        self._lock = threading.Lock()
        self._example: Failure | None = None
        self._failed: set[int] = set()
        self._several_rows_failed = False
        self._n_warned_of = 0
        self._computed_s = 0.0
        self._has_transcripts = False
        self.keeps_transcripts = False
        """They outlast the process, in a cache on disk."""
        self._endings: list[Callable[[], None]] = []
        self._models: dict[str, ResolvedModel] = {}
        self._pinned: dict[Hashable, Any] = {}
        self.second_reading = second_reading
        self._work_endings: list[Callable[[], None]] = []
        self._resolving = threading.Lock()
        self._notices: list[str] = []
        self._warned_of = set() if warned_of is None else warned_of
        self._replaced: dict[str, None] = {}
        self._n_without_reference = 0
        self._n_without_audio = 0
        self._vocabularies: set[Vocabulary] = set()
        self._n_unwritable = 0
        self._unwritable = Counter[str]()
        self.mixed_clips = MixedClips()
        """Those whose channels should not have been mixed."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._stop_reason is not None

    @property
    def elapsed_s(self) -> float:
        """How long the statement has run."""
        return time.monotonic() - self._started_s

    @property
    def uses_models(self) -> bool:
        """Whether one of our functions has asked it for a model."""
        return bool(self._models)

    @property
    def has_notices(self) -> bool:
        """Whether one of our functions has something to warn of, besides clips that failed."""
        counts = self._n_without_reference or self._n_without_audio or self._n_unwritable
        return bool(self._notices or self._replaced or self.mixed_clips or counts)

    def allows(self, function: str, arguments: Mapping[str, Any], *, is_last: bool) -> bool:
        """Whether its text holds the call of `function`, which changes something, with these arguments.

        Args:
            function: such as `delete_model`.
            arguments: by the names of the parameters.
            is_last: the change follows. A call that says all of it allows it only once.
        """
        with self._lock:
            for call in self._allowed:
                if call.allows(function, arguments):
                    if is_last and call.is_exact:
                        self._allowed.remove(call)
                    return True
        return False

    def cancel(self, reason: StopReason = StopReason.CTRL_C) -> None:
        """Ask the engine to stop; safe in a signal handler."""
        self._stop_reason = self._stop_reason or reason

    def stop_error(self) -> BaseException:
        """What the caller of a statement that was cancelled gets."""
        match self._stop_reason:
            case StopReason.INTERRUPT:
                return duckdb.InterruptException(f"INTERRUPT Error: {self.interrupt_message}")
            case StopReason.CLOSE:
                return duckdb.ConnectionException(
                    "Connection Error: the connection was closed by another thread while this statement was running"
                )
            case _:
                return KeyboardInterrupt(self.interrupt_message)

    def raise_if_cancelled(self) -> None:
        """See `Monitor`."""
        if self.cancelled:
            if self._has_transcripts:
                self.interrupt_message = TRANSCRIPTS_LAST if self.keeps_transcripts else TRANSCRIPTS_KEPT
            raise Cancelled(self.interrupt_message)

    def clips_received(self, n_clips: int) -> None:
        """See `Monitor`."""
        self._progress.received(n_clips)

    def clip_advanced(self, share: float, audio_s: float) -> None:
        """See `Monitor`."""
        self._progress.advanced(share, audio_s)

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        """See `Monitor`."""
        with self._lock:
            self._computed_s += audio_s
            self._has_transcripts = True
        self._progress.done(n_clips, audio_s)

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        """See `Monitor`."""
        self._has_transcripts = self._has_transcripts or n_clips > 0
        self._progress.done(n_clips, audio_s)

    @property
    def speed(self) -> float | None:
        """Seconds of audio that went through a model per second since the statement started; None where none did."""
        return self._computed_s / self.elapsed_s if self._computed_s else None

    def clip_failed(self, location: str, reason: str) -> None:
        """See `Monitor`. A clip that DuckDB asks for twice counts once."""
        with self._lock:
            new = Failure(location, reason)  # clips come in any order: the warning is the same each time
            self._example = min(self._example or new, new, key=lambda failure: (failure.location, failure.reason))
            self._failed.add(hash(location))

    def rows_failed(self, locations: Sequence[str]) -> None:
        """The clips of some rows, which failed. They are not counted: DuckDB may ask for the same row twice."""
        if len(set(locations)) < len(locations):
            self._several_rows_failed = True

    def resolve(self, spec: str, find: Callable[[], ResolvedModel]) -> ResolvedModel:
        """What `find` returned at the first call for a model's name: one statement never mixes two models."""
        with self._resolving:
            if spec not in self._models:
                self._models[spec] = found = find()
                if found.notice:
                    self._notices.append(found.notice)
            return self._models[spec]

    def pinned(self, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` returned at the first call for `key`: the statement goes on with the model that it began with.

        Raises:
            Cancelled: the statement was cancelled while another thread was loading.
        """
        while not self._resolving.acquire(timeout=_POLL_S):
            self.raise_if_cancelled()
        try:
            if key not in self._pinned:
                self._pinned[key] = load()
            result: T = self._pinned[key]
            return result
        finally:
            self._resolving.release()

    def pinned_value(self, key: Hashable) -> Any:
        """What `pinned` returned for `key`; None where it was not called."""
        return self._pinned.get(key)

    def before_warnings(self, act: Callable[[], None]) -> None:
        """Call `act` when all of it has ended, in whichever way, and before its warnings are issued."""
        self._endings.append(act)

    def finish(self) -> None:
        """Do what is left to do, and let go of what it began with: it has ended, and a model takes memory."""
        endings, self._endings = self._endings, []
        for act in endings:
            act()
        self._pinned.clear()

    def at_end_of_work(self, close: Callable[[], None]) -> None:
        """Call `close` when DuckDB's work on it has ended, in whichever way."""
        self._work_endings.append(close)

    def end_work(self) -> None:
        """DuckDB's work on it has ended: so does what runs beside it."""
        self.second_reading = None
        while self._work_endings:
            self._work_endings.pop()()

    @contextlib.contextmanager
    def loading(self, model: str) -> Iterator[Loading]:
        """Within the block, this shows that `model` is being loaded."""
        try:
            yield Loading(self._progress, f"loading model {model}")
        finally:
            self._progress.hide_loading()

    def column_replaced(self, name: str) -> None:
        """A column of the query is replaced by a new one of that name; DuckDB may report it several times."""
        if name not in self._warned_of:
            self._warned_of.add(name)
            self._replaced[name] = None

    def rows_not_scored(self, n_without_reference: int, n_without_audio: int) -> None:
        """EVALUATE does not score rows that have no reference, nor those that have no audio."""
        with self._lock:
            self._n_without_reference += n_without_reference
            self._n_without_audio += n_without_audio

    def used(self, vocabulary: Vocabulary) -> None:
        """One of its models writes with this vocabulary."""
        self._vocabularies.add(vocabulary)

    @property
    def vocabulary(self) -> Vocabulary | None:
        """That of its models; None where there are several, or none."""
        return next(iter(self._vocabularies)) if len(self._vocabularies) == 1 else None

    def references_unwritable(self, n_references: int, characters: Counter[str]) -> None:
        """Some references of EVALUATE hold characters that the model cannot write."""
        with self._lock:
            self._n_unwritable += n_references
            self._unwritable.update(characters)

    def notice(self, sentence: str) -> None:
        """A warning for the end of the statement; a lazy relation that is read again issues it only once."""
        if sentence not in self._warned_of:
            self._warned_of.add(sentence)
            self._notices.append(sentence)

    def close_bar(self) -> None:
        """Take the progress bar away."""
        self._progress.close()

    def issue_warnings(self) -> None:
        """Warn of the models that stand in for others, and of the clips that failed, since the last call."""
        for sentence in not_scored_warnings(self._n_without_reference, self._n_without_audio):
            self.notice(sentence)
        self._n_without_reference = self._n_without_audio = 0
        if self._n_unwritable:
            self.notice(unwritable_warning(self._n_unwritable, self._unwritable))
        self._n_unwritable, self._unwritable = 0, Counter()
        if self.mixed_clips:
            is_function = self._reasons == REASONS_OF_FUNCTION
            self.notice(self.mixed_clips.warning(REMEDY_OF_FUNCTION if is_function else REMEDY))
        notices, self._notices = self._notices, []
        for notice in notices:
            warn(notice)
        replaced, self._replaced = list(self._replaced), {}
        if replaced:
            warn(replaced_columns_warning(replaced))
        n_failed = len(self._failed)
        if n_failed == self._n_warned_of or self._example is None:
            return
        self._n_warned_of = n_failed
        example = located(self._example.location, self._example.reason)
        if n_failed > 1:
            example = f"{example.removesuffix('.')}; ..."
        rows = ""
        if self._several_rows_failed:
            rows = f" in every row with {'it' if n_failed == 1 else 'one of them'}"
        warn(f"{counted(n_failed, 'clip')} could not be transcribed and gave NULL{rows} ({example}). {self._reasons}")


def replaced_columns_warning(names: list[str]) -> str:
    """The sentence that names the columns of a query which new ones of the same name replace."""
    quoted = ", ".join(f"'{name}'" for name in names)
    if len(names) == 1:
        return f"The column {quoted} of the query is replaced by the new column of that name."
    return f"The columns {quoted} of the query are replaced by the new columns of those names."


def not_scored_warnings(n_without_reference: int, n_without_audio: int) -> list[str]:
    """The sentences that count the rows that EVALUATE does not score."""
    sentences = []
    if n := n_without_reference:
        sentences.append(f"{n} row{'s have' if n > 1 else ' has'} no reference text (NULL) and did not count.")
    if n := n_without_audio:
        sentences.append(f"{n} row{'s have' if n > 1 else ' has'} no audio (NULL) and counted as failed.")
    return sentences


def unwritable_warning(n_references: int, characters: Counter[str]) -> str:
    """The sentence that names what the model cannot write of the references."""
    what = "reference holds" if n_references == 1 else f"{n_references} references hold"
    return (
        f"{'1 ' if n_references == 1 else ''}{what} characters that the model's alphabet lacks, so that they count as "
        f"errors: {named_characters(characters)}."
    )


class FailFast:
    """A monitor that stops the statement at the first clip that fails (`on_error='fail'`)."""

    def __init__(self, statement: RunningStatement) -> None:
        """Everything but failures is passed on to `statement`."""
        self.raise_if_cancelled = statement.raise_if_cancelled
        self.clips_received = statement.clips_received
        self.clip_advanced = statement.clip_advanced
        self.clips_done = statement.clips_done
        self.clips_cached = statement.clips_cached

    def clip_failed(self, location: str, reason: str) -> None:
        """See `Monitor`.

        Raises:
            AudioError: always.
        """
        raise AudioError(
            f"{located(location, reason)} (the statement has on_error='fail'; with 'null' it would continue)"
        )
