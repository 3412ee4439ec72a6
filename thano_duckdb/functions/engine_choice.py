"""Which engine a call uses: this process, worker processes, or a Ray cluster."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from thano_duckdb.cluster import engines
from thano_duckdb.cluster.worker_pool import ModelSource
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.running_statement import RunningStatement
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ClusterUnavailableError, ThanoError
from thano_duckdb.models.hub import fetch_language
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.monitoring.statement_bar import Loading
from thano_duckdb.speech.collector_pause import collector_running
from thano_duckdb.speech.threads import run_aside

if TYPE_CHECKING:
    from thano_duckdb.speech.engine import Engine


def choose_engine(
    session: Session,
    statement: RunningStatement,
    access: Access,
    model: str,
    resolved: ResolvedModel,
    options: dict[str, Any],
    row_language: str | None,
) -> Engine:
    """The engine of a model: the same throughout a statement, whatever happens to the model's folder meanwhile.

    The languages of rows share a network in this process; workers have one language each.

    Raises:
        ThanoError: the model cannot be loaded, or there is no such device or cluster.
    """
    settings = session.settings
    language = row_language or options.get("language")
    cluster, workers = where_to_run(session, access, options, has_row_languages=bool(row_language))
    source = ModelSource(
        resolved.folder, options.get("device", settings.device), options.get("precision", settings.precision), language
    )

    # What fails and is caught while torch is imported keeps the frames of the import, and all that they refer to.
    monitor = weakref.proxy(statement)

    def obtain(cluster: str, loading: Loading) -> Engine:
        fetch_language(model, resolved.folder, language)
        if engines.converts_first(source, workers=workers, cluster=cluster):
            loading.text = f"converting model {model} for OpenVINO, once"
        return engines.load_engine(source, model=model, workers=workers, monitor=monitor, cluster=cluster)

    def loaded(cluster: str) -> Engine:
        if engine := engines.loaded_engine(source, workers=workers, cluster=cluster):
            return engine
        with (
            collector_running(),
            statement.loading(model) as loading,
        ):  # importing torch takes seconds, in which Ctrl-C would have to wait
            engine = run_aside(lambda: obtain(cluster, loading), statement, loading.show)
        if notice := engine.recognizer.notice:
            sentence = f"The model {model} {notice}."
            session.notice(sentence)
        return engine

    def load() -> Engine:
        try:
            return loaded(cluster)
        except ClusterUnavailableError as error:
            if cluster != "auto":
                raise
            session.notice(f"This machine transcribes, without a cluster: {error}.")
            return loaded("off")

    return statement.pinned((resolved, source, workers, cluster), load)


def where_to_run(
    session: Session, access: Access, options: dict[str, Any], *, has_row_languages: bool
) -> tuple[str, int | None]:
    """The Ray cluster that a call uses, 'off' for none, and how many workers, as the options say it.

    Raises:
        ThanoError: the database may not reach any cluster.
    """
    if has_row_languages:
        return "off", 1
    return _cluster(session, access, options), options.get("workers", session.settings.workers)


def _cluster(session: Session, access: Access, options: dict[str, Any]) -> str:
    """The Ray cluster that a call uses, as the option says it.

    Raises:
        ThanoError: the database may not reach any.
    """
    cluster: str = options.get("cluster", session.settings.cluster)
    if cluster == "off" or access.is_unrestricted:
        return cluster
    sentence = (
        "this database may not use a cluster (enable_external_access=false, or one of its file systems is disabled)"
    )
    if cluster != "auto":
        raise ThanoError(f"{sentence}: write cluster='off'")
    session.notice(f"This machine transcribes: {sentence}.")
    return "off"
