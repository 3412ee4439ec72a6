"""What BUILD and UPLOAD LANGUAGE MODEL become, and `thano_perplexity`.

The rows of a BUILD stream: `_thano_collect_text` puts each vector of texts into a store and returns its number, and
`_thano_build_language_model` gets the numbers and builds from those texts. The numbers matter where an earlier query
failed halfway: its texts are not taken.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import Cancelled, RegistryError, ThanoError, counted
from thano_duckdb.language.build_language_model import (
    STAGES,
    LanguageModelFigures,
    LanguageModelOptions,
    build_language_model,
)
from thano_duckdb.language.language_model import LanguageModel, resolve_language_model
from thano_duckdb.language.ngram_counts import TextStore
from thano_duckdb.language.ngram_scorer import NgramScorer, load_scorer
from thano_duckdb.language.upload import check_language_model, copy_language_model
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.resolve import local_folder, refuse_address
from thano_duckdb.monitoring.bar import is_shown
from thano_duckdb.monitoring.language_bar import LanguageBar
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.threads import run_aside

from . import arguments
from .arrow import Function, parse_options, per_row, session_of
from .model_registry import MODEL, model_row
from .statement_values import PerStatement

FIGURES = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("order", pa.int32()),
        pa.field("sentences", pa.int64()),
        pa.field("words", pa.int64()),
        pa.field("vocabulary", pa.int64()),
        pa.field("ngrams", pa.int64()),
        pa.field("perplexity", pa.float64()),
        pa.field("oov_rate", pa.float64()),
    ]
)
_KIND = StatementKind.BUILD_LANGUAGE_MODEL

MIN_WORDS = 10_000
"""Of text, from which a language model helps at all."""
T = TypeVar("T")


class _Collector:
    """The texts that the statement of a session has collected so far."""

    def __init__(self, session: Session) -> None:
        self._shown = is_shown(session.settings.progress)
        self._lock = threading.Lock()
        self._store: TextStore | None = None
        self._n_rows: Counter[int] = Counter()  # of each query
        self.bar = self._new_bar()

    def _new_bar(self) -> LanguageBar:
        return LanguageBar(shown=self._shown, n_stages=len(STAGES))

    def add(self, texts: pa.Array, query: int, check: Callable[[], object]) -> int:
        """Keep texts of a query, after a `check` before the first ones; returns the number of their chunk."""
        with self._lock:
            if self._store is None:
                check()
                self._store = TextStore()
            store = self._store
            self._n_rows[query] += len(texts)
        number = store.add(normalize(texts))
        self.bar.count_sentences(len(texts))
        return number

    def take(self, chunks: list[int], query: int, n_rows: int) -> TextStore:
        """The texts of these chunks; the next ones begin a new store.

        Raises:
            ThanoError: the chunks are of more rows than the `n_rows` of the call: those of other groups or calls too.
        """
        with self._lock:
            store, self._store = self._store or TextStore(), None
            n_collected = self._n_rows[query]
            self._n_rows.clear()
        if n_collected != n_rows:
            store.close()
            raise ThanoError(
                "thano_build_language_model makes one model from all rows of its query: with GROUP BY, or a second "
                "call in the same SELECT, their texts would be mixed; write a statement for each model"
            )
        store.keep_only(chunks)
        return store

    def end(self) -> None:
        """Remove the bar."""
        self.bar.close()
        self.bar = self._new_bar()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process modules may be gone
            self.bar.close()  # of a query that failed


_COLLECTORS = PerStatement("text of a language model", _Collector)


def collect_text(
    names: pa.ChunkedArray,
    options: pa.ChunkedArray,
    texts: pa.ChunkedArray,
    queries: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
) -> pa.Array:
    """Keep the texts of one DuckDB vector for the build of the same statement.

    Returns:
        The number of their chunk in every row.

    Raises:
        ThanoError: the build would be refused, because of its name, its options or what the database may write.
    """
    session = session_of(sessions)
    if session.statement is not None:
        session.statement.raise_if_cancelled()

    def check() -> None:
        _check(session, names[0].as_py(), options[0].as_py(), is_last=False)

    number = _COLLECTORS.of(session).add(texts.combine_chunks(), queries[0].as_py(), check)
    return pa.array([number] * len(texts), pa.int64())


def _check(session: Session, name: str, options: object, *, is_last: bool) -> LanguageModelOptions:
    session.check_asked_for("build_language_model", is_last=is_last, name=name, options=options)
    chosen = LanguageModelOptions(**parse_options(options, "thano_build_language_model", _KIND))
    session.registry.free_name(name, overwrite=chosen.overwrite, is_language_model=True)
    with session.access() as access:
        session.check_changes_allowed(access, _KIND)
    return chosen


def build(
    session: Session, name: str, options: str | None, chunks: list[int] | None, n_rows: int, query: int
) -> list[dict[str, Any]]:
    """BUILD LANGUAGE MODEL: learn from what was collected, and publish.

    Args:
        session: of the connection that calls.
        name: of the new language model.
        options: JSON text or NULL.
        chunks: what `collect_text` returned, each once; NULL, as DuckDB's `list` gives it, for no rows.
        n_rows: of the query, or of its group.
        query: the number of the query on its connection.

    Returns:
        One `FIGURES` struct.

    Raises:
        ThanoError: there is nothing to learn from, the texts are those of several models, or the name or an option is
            refused.
    """
    chosen = _check(session, name, options, is_last=True)
    if not chunks:
        raise ThanoError("there is nothing to learn from: the query of BUILD LANGUAGE MODEL has no rows")
    collector = _COLLECTORS.of(session)
    sql = session.statement.source.strip() if session.statement is not None else None
    try:
        with session.registry.stage() as folder, collector.take(chunks, query, n_rows) as store:
            with session.registry.errors_with_remedy(), store.errors_with_remedy():
                figures = _interruptible(
                    session,
                    lambda: build_language_model(store, folder, chosen, on_stage=collector.bar.show_stage),
                    store.connection.interrupt,
                )
            lineage = {"sql": sql, "options": dataclasses.asdict(chosen), "figures": dataclasses.asdict(figures)}
            entry = session.registry.publish(
                folder,
                name,
                kind="language model",
                lineage=lineage,
                overwrite=chosen.overwrite,
                description=_description(figures),
            )
    finally:
        collector.end()
    if figures.words < MIN_WORDS:
        session.notice(
            f"The language model '{entry.name}' learned from {counted(figures.words, 'word')} only: below some "
            f"{MIN_WORDS:,} it rather makes transcripts worse. Add more text, or give the words as hotwords."
        )
    return [{"model": entry.name, "version": entry.version, **dataclasses.asdict(figures)}]


def _description(figures: LanguageModelFigures) -> str:
    learned = f"{counted(figures.vocabulary, 'word')}, from {counted(figures.sentences, 'sentence')}"
    return f"{figures.order}-gram model of {learned}"


def _interruptible(session: Session, work: Callable[[], T], stop: Callable[[], object]) -> T:
    """Run `work`; if the user interrupts the statement, stop it."""
    try:
        return run_aside(work, session.statement or SilentMonitor())
    except Cancelled:
        stop()
        if session.statement is not None:
            session.statement.interrupt_message = "The build was interrupted; no language model was published."
        raise


def upload(session: Session, name: str, file: str, options: str | None) -> list[dict[str, Any]]:
    """UPLOAD LANGUAGE MODEL: copy an ARPA file or a KenLM binary into the registry, after reading all of it."""
    session.check_asked_for("upload_language_model", name=name, file=file, options=options)
    refuse_address(file, "UPLOAD LANGUAGE MODEL takes a file")
    source = local_folder(file)
    chosen = parse_options(options, "thano_upload_language_model", StatementKind.UPLOAD_LANGUAGE_MODEL)
    overwrite = chosen.get("overwrite", False)
    with session.access() as access:
        session.check_changes_allowed(access, StatementKind.UPLOAD_LANGUAGE_MODEL)
        session.registry.free_name(name, overwrite=overwrite, is_language_model=True)
        model = _resolve_file(session, file, access)
    with session.registry.stage() as folder:
        _interruptible(session, lambda: _copy_checked(model, folder, session.registry), lambda: None)
        entry = session.registry.publish(
            folder,
            name,
            kind="language model",
            lineage={"uploaded_from": str(source)},
            overwrite=overwrite,
            description=model.description,
        )
    return [model_row(entry)]


def _copy_checked(model: LanguageModel, folder: Path, registry: Registry) -> None:
    from thano_duckdb.speech.decoding.beam_library import check_loads

    check_language_model(model)
    with registry.errors_with_remedy():
        copy = copy_language_model(model, folder)
    if not model.is_binary:
        check_loads(LanguageModel.open(model.name, copy, is_kept=True))


def _resolve_file(session: Session, file: str, access: Access) -> LanguageModel:
    path = str(local_folder(file))
    model = resolve_language_model(path, session.registry, may_read=lambda file: access.allows(str(file)))
    assert model is not None
    if not model.is_binary and model.order == 1:
        raise RegistryError(f"{path} has only single words; a language model has at least 2-grams")
    return model


def perplexity(texts: pa.ChunkedArray, models: pa.ChunkedArray, sessions: pa.ChunkedArray) -> pa.Array:
    """The perplexity of each text by a language model; NULL for NULL.

    10 to the power of minus the mean of log10 p over the words of the text, as `thano_normalize` writes it, and the end
    of the sentence. An unknown word has the probability of <unk>, as in KenLM.

    Raises:
        ThanoError: the language model cannot be used.
    """
    session = session_of(sessions)
    normalized = normalize(texts.combine_chunks()).to_pylist()
    rows: dict[str, list[int]] = {}
    for row, (text, model) in enumerate(zip(normalized, models.to_pylist(), strict=True)):
        if text is not None and model is not None:
            rows.setdefault(model, []).append(row)
    found: list[float | None] = [None] * len(normalized)
    for value, places in rows.items():
        model, scorer = _scorer(session, value)
        sentences = [normalized[row] for row in places]
        scores = scorer.score([text.upper() for text in sentences] if model.is_upper_case else sentences)
        for row, score in zip(places, scores, strict=True):
            found[row] = score.perplexity
    return pa.array(found, pa.float64())


def _scorer(session: Session, value: str) -> tuple[LanguageModel, NgramScorer]:
    """A language model, the same throughout a statement."""

    def load() -> tuple[LanguageModel, NgramScorer]:
        with session.access() as access:
            model = resolve_language_model(value, session.registry, may_read=lambda path: access.allows(str(path)))
        assert model is not None
        return model, run_aside(lambda: load_scorer(model), session.statement or SilentMonitor())

    return load() if session.statement is None else session.statement.pinned(("scorer", value), load)


_NAME = arguments.text("the name of the language model", required=True)
_ROWS, _FIGURES = pa.list_(MODEL), pa.list_(FIGURES)

FUNCTIONS = (
    Function(
        "_thano_collect_text",
        collect_text,
        pa.int64(),
        (_NAME, arguments.options, arguments.text("the text of a row")),
        changes_something=True,
    ),
    Function(
        "_thano_build_language_model",
        per_row(build, _FIGURES),
        _FIGURES,
        (_NAME, arguments.options),
        changes_something=True,
    ),
    Function(
        "_thano_upload_language_model",
        per_row(upload, _ROWS),
        _ROWS,
        (_NAME, arguments.text("the file", required=True), arguments.options),
        changes_something=True,
    ),
    Function(
        "_thano_perplexity",
        perplexity,
        pa.float64(),
        (arguments.text("the text"), arguments.text("the language model")),
    ),
)
