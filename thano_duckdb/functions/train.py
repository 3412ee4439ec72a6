"""`_thano_build`: train a model on the rows of a query and publish it; a struct of metrics per epoch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thano_duckdb.caller import warn
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session, may_use
from thano_duckdb.errors import Cancelled, ModelError, ThanoError
from thano_duckdb.models import resolve, tiny
from thano_duckdb.models.hub import fetch_language
from thano_duckdb.monitoring.bar import is_shown
from thano_duckdb.monitoring.training_bar import TrainingBar
from thano_duckdb.speech.threads import run_aside
from thano_duckdb.training.training_options import TrainingOptions

from . import arguments
from .arrow import Function, per_row
from .training_checks import check_build
from .training_rows import ROW_COLLECTORS

if TYPE_CHECKING:
    from thano_duckdb.models.registry import ModelEntry
    from thano_duckdb.monitoring.training_monitor import EpochMetrics, StepProgress
    from thano_duckdb.training.build import Base, BuildResult

EPOCH = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("epoch", pa.int32()),
        pa.field("train_loss", pa.float64()),
        pa.field("eval_loss", pa.float64()),
        pa.field("wer", pa.float64()),
        pa.field("cer", pa.float64()),
        pa.field("learning_rate", pa.float64()),
        pa.field("audio_hours", pa.float64()),
        pa.field("skipped", pa.int64()),
        pa.field("seconds", pa.float64()),
        pa.field("base_wer", pa.float64()),
        pa.field("base_cer", pa.float64()),
        pa.field("kept", pa.bool_()),
    ]
)
EPOCHS = pa.list_(EPOCH)


def build(
    session: Session, name: str | None, base: str | None, options: object, n_rows: int | None, query: int
) -> list[dict[str, Any]]:
    """BUILD MODEL and FIT MODEL: train on the rows that were collected, and publish.

    Args:
        session: of the connection that calls.
        name: of the new model.
        base: what it is made from.
        options: JSON text or NULL.
        n_rows: the sum of what `collect_rows` returned for the rows of the query; NULL, as DuckDB gives it, for none.
        query: the number of the query on its connection.

    Returns:
        `EPOCH` structs.

    Raises:
        ThanoError: see `thano_duckdb.training.build.build_model`.
    """
    with ROW_COLLECTORS.of(session).take(query, n_rows or 0) as examples:
        chosen = check_build(session, name, base, options, is_last=True)
        assert name is not None
        assert base is not None
        if examples.has_groups and not chosen.validation_split:
            raise ThanoError(
                "option 'split_by' says which rows are held out together: add a validation_split, such as 0.1"
            )
        with session.access() as access:
            origin = _base(session, base, chosen, access)
            limits = access.limited(chosen.read_limits)
        sql = session.statement.source.strip() if session.statement is not None else None
        with _monitor(session) as monitor, _interrupt_message(session):
            build_model = run_aside(_import_training, monitor)
            result = build_model(name, origin, chosen, examples, session.registry, monitor, sql=sql, read_limits=limits)
    return _epochs(result.entry)


def _import_training() -> Callable[..., BuildResult]:
    """Import torch and the rest, which takes seconds, in which Ctrl-C would have to wait."""
    from thano_duckdb.speech.libraries import require_libraries
    from thano_duckdb.training.build import build_model

    require_libraries()
    importlib.import_module("thano_duckdb.training.run")
    return build_model


def _base(session: Session, spec: str, options: TrainingOptions, access: Access) -> Base:
    from thano_duckdb.training.build import Base

    if options.from_scratch and tiny.is_tiny(spec):
        return Base(tiny.NAME, None)
    resolved = resolve.resolve(spec, session.registry, allow_external=may_use(spec, access), is_base=True)
    if resolved.notice:
        warn(resolved.notice)  # now, since the statement may end only after hours
    fetch_language(spec, resolved.folder, options.language)
    version = f"@{resolved.version}" if resolved.version is not None else ""
    return Base(resolved.name + version, resolved.folder)


def _epochs(entry: ModelEntry) -> list[dict[str, Any]]:
    """An `EPOCH` for each epoch in the lineage of a model; what its lineage does not say is NULL."""
    lineage = entry.lineage
    comparison, kept_epoch = lineage.get("comparison"), lineage.get("kept_epoch")
    base = comparison["base"] if comparison and comparison["is_held_out"] else {}
    shared = {"model": entry.name, "version": entry.version, "base_wer": base.get("wer"), "base_cer": base.get("cer")}
    return [
        {**epoch, **shared, "kept": None if kept_epoch is None else epoch["epoch"] == kept_epoch}
        for epoch in lineage.get("metrics", ())
    ]


@contextmanager
def _interrupt_message(session: Session) -> Iterator[None]:
    """Give the statement the message of a build that Ctrl-C stopped: what is kept of it."""
    try:
        yield
    except Cancelled as error:
        if session.statement is not None:
            session.statement.interrupt_message = f"{str(error)[:1].upper()}{str(error)[1:]}."
        raise


@contextmanager
def _monitor(session: Session) -> Iterator[_StatementMonitor]:
    bar = TrainingBar(shown=is_shown(session.settings.progress))
    try:
        yield _StatementMonitor(session, bar)
    finally:
        bar.close()


class _StatementMonitor:
    """Implements `TrainingMonitor` for a statement, or for a call outside any."""

    def __init__(self, session: Session, bar: TrainingBar) -> None:
        self._statement = session.statement
        self._bar = bar

    def raise_if_cancelled(self) -> None:
        if self._statement is not None and self._statement.cancelled:
            raise Cancelled("the build was interrupted before the training started")

    def clips_received(self, n_clips: int) -> None:
        self._bar.expect_clips(n_clips)

    def clips_done(self, n_clips: int, audio_s: float) -> None:
        self._bar.count_clips(n_clips)

    def clips_cached(self, n_clips: int, audio_s: float) -> None:
        self._bar.count_clips(n_clips)

    def clip_failed(self, location: str, reason: str) -> None:
        """Nothing: one warning reports all skipped rows."""

    def warned(self, sentence: str) -> None:
        warn(sentence)

    def evaluation_started(self, what: str, n_clips: int) -> None:
        self._bar.expect_clips(n_clips, f"evaluating {what}")

    def step_done(self, progress: StepProgress) -> None:
        self._bar.show(progress)

    def epoch_done(self, metrics: EpochMetrics) -> None:
        self._bar.note(metrics)


def training(session: Session, model: str) -> list[dict[str, Any]]:
    """The metrics that BUILD returned for each epoch of a model, from its lineage; none where it was not built here.

    Raises:
        ModelError: there is no such model in the registry.
    """
    entry = session.registry.find(model)
    if entry is None:
        raise ModelError(f"there is no model '{model}' in the registry; LIST MODEL shows the names")
    return _epochs(entry)


_BUILD = (arguments.text("the name of the model"), arguments.text("the base model"), arguments.options)

FUNCTIONS = (
    Function("_thano_build", per_row(build, EPOCHS), EPOCHS, _BUILD, changes_something=True),
    Function("_thano_training", per_row(training, EPOCHS), EPOCHS, (arguments.text("the model", required=True),), True),
)
