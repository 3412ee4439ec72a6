"""Mutated statements, planned and run: whatever is typed gets rows, one readable sentence, or DuckDB's own error.

`python -m tests.dialect.mutated_statements 100000 [SEED]` plans that many and runs one in twenty, on a connection with
small models, clips and tables. It prints what broke the promise, and a line of counts.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb

import thano_duckdb
from tests.dialect.mutations import mutated
from tests.training.kit import write_clips, write_model
from thano_duckdb.dialect import Build, Fit, Plan, plan, split_statements
from thano_duckdb.errors import DialectError, ThanoError, ThanoWarning
from thano_duckdb.models.registry import Registry

RUN_ONE_IN = 20
SLOW_S = 1.0
MAX_MESSAGE_CHARS = 1500
MODELS = ("m", "n", "mine", "my_speech_recognition_model")

_WRITES = re.compile(r"\b(insert|create|copy|delete|update|drop|alter|truncate|merge|replace)\b", re.IGNORECASE)

T = TypeVar("T")


@dataclass
class Report:
    """What became of the statements.

    Attributes:
        counts: how many ended in which way.
        faults: texts that broke the promise, and how.
        slow: texts that took more than a second, and how long.
    """

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)
    slow: list[tuple[str, float]] = field(default_factory=list)


def check_all(n_statements: int, seed: int, folder: Path) -> Report:
    """Plan `n_statements` and run some of them in `folder`, which becomes the working directory meanwhile."""
    folder.mkdir(exist_ok=True)
    report, rng = Report(), random.Random(seed)
    with contextlib.chdir(folder), _Workplace(folder) as workplace, _standard_output() as printed:
        for number in range(n_statements):
            sql = mutated(rng)
            found = _timed(report, sql, partial(_plan, report, sql))
            if number % RUN_ONE_IN == 0:
                trains = found is not None and any(isinstance(node, Build | Fit) for node in found.statements)
                _timed(report, sql, partial(_run, report, sql, workplace), may_be_slow=trains)
            if text := printed():
                report.faults.append((sql, f"printed {text!r}"))
    return report


def _timed(report: Report, sql: str, work: Callable[[], T], *, may_be_slow: bool = False) -> T:
    start_s = time.perf_counter()
    result = work()
    took_s = time.perf_counter() - start_s
    if took_s > SLOW_S and not may_be_slow:
        report.slow.append((sql, took_s))
    return result


def _plan(report: Report, sql: str) -> Plan | None:
    try:
        found = plan(sql)
    except DialectError as error:
        report.counts["planned: refused"] += 1
        report.faults += [(sql, fault) for fault in _faults_of(error, sql)]
    except Exception:  # noqa: BLE001 - that there is none is what is tested
        report.faults.append((sql, traceback.format_exc()))
    else:
        report.counts["planned: " + ("DuckDB's" if found.is_plain else "ours")] += 1
        return found
    return None


class _Workplace:
    """A connection with models, clips and tables, all made anew when a statement has changed them."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._model = write_model(folder / "trained_model")
        self._clips = write_clips(folder / "clips")
        self._write_files(folder)
        self._registry = Registry(self._home)
        self.connection = self._connect()
        with warnings.catch_warnings(action="ignore"):  # the first use imports torch, which takes seconds
            for name in MODELS:
                rows = self.connection.execute(f"PREDICT USING {name} AS FROM librispeech_test").fetchall()
                assert [row[-1] is not None for row in rows] == [True, True, False, False]

    def __enter__(self) -> _Workplace:
        return self

    def __exit__(self, *_error: object) -> None:
        self.connection.close()

    def _write_files(self, folder: Path) -> None:
        data = folder / "thanosql-dataset" / "librispeech_data"
        data.mkdir(parents=True)
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT 'a.wav' AS audio_path, 'one' AS text")
            for name in ("librispeech_train.csv", "librispeech_test.csv", "train.tsv", "train.csv.gz"):
                connection.execute(f"COPY t TO '{data / name}' (FORMAT csv)")
            connection.execute(f"COPY t TO '{data / 'train.parquet'}' (FORMAT parquet)")
            connection.execute(f"COPY t TO '{data / 'train.json'}' (FORMAT json)")

    def _connect(self) -> thano_duckdb.Connection:
        connection = thano_duckdb.connect(
            model_home=self._home, progress=False, config={"autoinstall_known_extensions": "false"}
        )
        connection.execute("CREATE TABLE librispeech_test (audio_path VARCHAR, text VARCHAR, speaker VARCHAR)")
        for example, speaker in zip(self._clips[:2], ("ann", "bob"), strict=True):
            connection.execute("INSERT INTO librispeech_test VALUES (?, ?, ?)", [example.audio, example.text, speaker])
        connection.execute("INSERT INTO librispeech_test VALUES (NULL, 'three', 'ann'), ('lost.wav', 'four', 'dan')")
        connection.execute(
            "CREATE TABLE librispeech_train AS SELECT 'lost.wav' AS audio_path, text FROM librispeech_test"
        )
        connection.execute("CREATE TABLE calls AS SELECT 1 AS id, 'lost.wav' AS recording, 'lost.wav' AS \"my audio\"")
        connection.execute("CREATE TABLE heard (audio_path VARCHAR, text VARCHAR, speaker VARCHAR, predicted VARCHAR)")
        connection.execute("CREATE SCHEMA archive")
        for name in set(MODELS) - set(self._registry.names()):
            connection.execute(f"UPLOAD MODEL {name} FROM '{self._model}'")
        return connection

    def row_counts(self) -> dict[str, int]:
        """The number of rows of each table, by a plain cursor."""
        with self.connection.raw.cursor() as cursor:
            tables = cursor.execute(
                "SELECT table_name, format('{}.{}', schema_name, format('\"{}\"', replace(table_name, '\"', '\"\"')))"
                " FROM duckdb_tables()"
            ).fetchall()
            counted = [(name, cursor.execute(f"SELECT count(*) FROM {table}").fetchone()) for name, table in tables]
            return {name: row[0] for name, row in counted if row}

    def renew(self) -> None:
        """Forget what statements have done to tables, models and settings."""
        self.connection.close()
        self.connection = self._connect()


def _run(report: Report, sql: str, workplace: _Workplace) -> None:
    before = workplace.row_counts()
    failed = False
    with warnings.catch_warnings(record=True, action="always") as warned:
        try:
            relation = workplace.connection.sql(sql)
            if relation is not None:
                relation.fetchall()
        except (ThanoError, duckdb.Error) as error:
            failed = True
            report.counts["run: " + ("DuckDB's error" if isinstance(error, duckdb.Error) else "refused")] += 1
            report.faults += [(sql, fault) for fault in _faults_of(error, sql)]
        except Exception:  # noqa: BLE001 - that there is none is what is tested
            failed = True
            report.faults.append((sql, traceback.format_exc()))
        else:
            report.counts["run: rows"] += 1
    for warning in warned:
        if not issubclass(warning.category, ThanoWarning) or not _is_sentence(str(warning.message)):
            report.faults.append((sql, f"warned {warning.category.__name__}: {warning.message}"))
    try:
        changed = {name for name, _ in before.items() ^ workplace.row_counts().items()}
    except duckdb.Error:  # a transaction that the text began is still open, or it dropped what was attached
        changed = set()
    report.faults += [(sql, f"changed {name}") for name in changed if not _asked(sql, name, failed=failed)]
    workplace.renew()


def _asked(sql: str, table: str, *, failed: bool) -> bool:
    """Whether a text writes to a table; a single statement that failed has not."""
    pieces = split_statements(sql)
    if failed and len(pieces) == 1:
        return False
    return any(_WRITES.search(piece) and table.casefold() in piece.casefold() for piece in pieces)


def _faults_of(error: Exception, sql: str) -> Iterator[str]:
    message = str(error)
    if isinstance(error, DialectError):
        if not _is_sentence(error.problem):
            yield f"not a readable sentence: {error.problem!r}"
        if not (1 <= error.line <= sql.count("\n") + 1 and 1 <= error.column <= len(sql) + 1):
            yield f"no such position: line {error.line}, column {error.column}"
    elif isinstance(error, ThanoError):
        if not _is_sentence(message):
            yield f"not a readable sentence: {type(error).__name__}: {message!r}"
    elif "executing the UDF" in message or "Traceback" in message:
        yield f"a raw error in DuckDB's: {message}"
    elif isinstance(error, duckdb.InternalException | duckdb.FatalException):
        yield f"DuckDB broke: {message}"


def _is_sentence(message: str) -> bool:
    return bool(message.strip()) and "\n" not in message and len(message) <= MAX_MESSAGE_CHARS


@contextlib.contextmanager
def _standard_output() -> Iterator[Callable[[], str]]:
    """Within the block, what Python or a library prints goes to a file; the function gives what is new."""
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        before = os.dup(1)
        os.dup2(file.fileno(), 1)

        def printed() -> str:
            file.flush()
            if not (size := os.lseek(file.fileno(), 0, os.SEEK_CUR)):
                return ""
            text = os.pread(file.fileno(), size, 0).decode(errors="replace")
            os.ftruncate(file.fileno(), 0)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            return text

        try:
            yield printed
        finally:
            os.dup2(before, 1)
            os.close(before)


def main() -> None:
    """Run it, print the report; the exit status says whether the promise was kept."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        report = check_all(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, Path(folder))
    for sql, fault in report.faults:
        os.write(1, f"FAULT {sql!r}\n  {fault}\n".encode(errors="replace"))
    for sql, took_s in report.slow:
        os.write(1, f"SLOW {took_s:.1f} s {sql!r}\n".encode(errors="replace"))
    counts = ", ".join(f"{ended} {count:,}" for ended, count in sorted(report.counts.items()))
    os.write(1, f"{counts}; {len(report.faults)} faults, {len(report.slow)} slow\n".encode())
    sys.exit(bool(report.faults or report.slow))


if __name__ == "__main__":
    main()
