"""`_thano_collect_rows`: takes the rows of a BUILD as they come, so that neither DuckDB nor Python holds all of them.

Each call puts a vector of rows into the `ExampleTable` of its session, and returns 1 for each. `_thano_build` gets the
sum. It shows that DuckDB has passed all rows of the query, and that the table holds no others. Nothing that refers to a
row or to a file ever goes through SQL, so nothing of that kind can be forged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa

from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError
from thano_duckdb.training.example_table import ExampleTable
from thano_duckdb.training.spill_file import SpillFile
from thano_duckdb.training.training_options import Example, TrainingOptions

from . import arguments
from .arrow import Function, session_of
from .audio_column import audio as audio_argument
from .clips import RefusedClip, check_allowed, clip_of, selected
from .statement_values import PerStatement
from .training_checks import check_build

_AUDIO_OF_A_BUILD = "the audio of a BUILD"
"""What the spill file holds, for messages."""


class RowCollector:
    """The rows that the running query of a session has passed so far."""

    def __init__(self, session: Session) -> None:
        """Nothing is collected yet."""
        self._registry = session.registry
        self._lock = threading.Lock()
        self._query: int | None = None
        self._options = TrainingOptions()
        self._table: ExampleTable | None = None

    def begin(self, query: int, check: Callable[[], TrainingOptions]) -> tuple[ExampleTable, TrainingOptions]:
        """The table for the rows of a query, and its options; `check` is called before the first row."""
        with self._lock:
            if self._table is None or query != self._query:
                self._drop()  # the rows of a query that failed
                self._options = check()
                self._table, self._query = self._new_table(), query
            return self._table, self._options

    def take(self, query: int, n_rows: int) -> ExampleTable:
        """All rows of a query; the caller closes the table.

        Raises:
            ThanoError: there are others than the `n_rows` of the call: those of other groups or calls too.
        """
        with self._lock:
            if self._table is None or query != self._query:
                self._drop()
                return self._new_table()
            if len(self._table) != n_rows:
                self._drop()
                raise ThanoError(
                    "thano_build makes one model from all rows of its query: with GROUP BY, or a second call in the "
                    "same SELECT, their rows would be mixed; write a statement for each model"
                )
            table, self._table = self._table, None
            return table

    def drop(self) -> None:
        """Forget the rows, because the query failed."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._table is not None:
            self._table.close()
        self._table = None

    def _new_table(self) -> ExampleTable:
        registry = self._registry  # no reference to this object: the file is to be gone as soon as nobody needs it
        return ExampleTable(lambda: SpillFile(registry.temporary_file()))


ROW_COLLECTORS = PerStatement("rows of a build", RowCollector)


def collect_rows(
    names: pa.ChunkedArray,
    bases: pa.ChunkedArray,
    options: pa.ChunkedArray,
    rows: pa.ChunkedArray,
    queries: pa.ChunkedArray,
    sessions: pa.ChunkedArray,
) -> pa.Array:
    """Collect the rows of one DuckDB vector for the build of the same query.

    Returns:
        1 for each row.

    Raises:
        ThanoError: the build would be refused, because of its name, its options or what the database may write; a row
            names a file that the database may not read; or the BLOBs do not fit on the disk.
    """
    session = session_of(sessions)
    if session.statement is not None:
        session.statement.raise_if_cancelled()
    name, base, of_call = names[0].as_py(), bases[0].as_py(), options[0].as_py()
    collector = ROW_COLLECTORS.of(session)
    table, chosen = collector.begin(
        queries[0].as_py(), lambda: check_build(session, name, base, of_call, is_last=False)
    )
    try:
        with session.access() as access, session.registry.errors_with_remedy(_AUDIO_OF_A_BUILD):
            table.add(_examples(rows, chosen, access))
    except BaseException:
        collector.drop()
        raise
    return pa.array([1] * len(rows), pa.int64())


def _examples(rows: pa.ChunkedArray, options: TrainingOptions, access: Access) -> Iterator[Example]:
    """The rows of a column of structs, one at a time: a vector of BLOBs is large enough as it is."""
    selection = {name: getattr(options, name) for name in ("channel", "audio_track", "start", "stop")}
    for structs in rows.chunks:
        names = structs.type.names
        texts = structs.field("text").to_pylist()
        groups = structs.field("group").to_pylist() if "group" in names else None
        for index, audio in enumerate(structs.field("audio")):
            clip = clip_of(audio.as_py(), _allows_all)  # one that is not allowed stops the build
            if isinstance(clip, Clip):
                clip = selected(clip, selection)
                check_allowed([clip], access)
            found = clip.failure if isinstance(clip, RefusedClip) else clip
            yield Example(found, texts[index], (groups[index],) if groups is not None else None)


def _allows_all(_location: str) -> bool:
    return True


FUNCTIONS = (
    Function(
        "_thano_collect_rows",
        collect_rows,
        pa.int64(),
        (
            arguments.text("the name of the model"),
            arguments.text("the base model"),
            arguments.options,
            arguments.struct(
                {"group": arguments.text("the group of a training row")},
                audio=audio_argument,
                text=arguments.text("the text of a training row"),
            ),
        ),
        changes_something=True,
    ),
)
