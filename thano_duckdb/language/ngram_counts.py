"""Counts n-grams with DuckDB's own SQL: an n-gram model begins with a GROUP BY over the words of a text.

The text and the counts are in a database of their own in memory, which writes to a temporary folder what does not fit
into its share.

Tables, for a model of order n:

    sentence(chunk, text)       normalised text, as it comes in
    vocabulary(id, word)        <s>, </s> and <unk>, then the words, the most frequent first
    ids(ids)                    each sentence to learn from as ids, between <s> and </s>
    count1 .. count{n}          (w1, .., wk, n): the adjusted counts of each order, see `count_ngrams`
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from thano_duckdb.errors import ThanoError

from .temporary_folder import TemporaryFolder

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
START_ID, END_ID, UNKNOWN_ID = 0, 1, 2

MEMORY_LIMIT = "2GB"


@dataclass(frozen=True)
class TextSize:
    """How much text there is.

    Attributes:
        sentences: rows of which something is left after normalisation.
        words: in them.
        vocabulary: distinct words among those.
    """

    sentences: int
    words: int
    vocabulary: int


class TextStore:
    """Sentences on their way into a model, and the database in which their n-grams are counted.

    Attributes:
        connection: of that database.
    """

    def __init__(self) -> None:
        """Open an empty store; `close` removes what it wrote to disk."""
        self._folder = TemporaryFolder("ngrams")
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(self._folder.path),
            "preserve_insertion_order": False,
        }
        self.connection = duckdb.connect(config=settings)
        # Joins run as they are written: the optimizer underestimates joins over part of an n-gram a hundredfold.
        self.connection.execute("SET disabled_optimizers = 'join_order'")
        self.connection.execute("SET enable_progress_bar = false")  # the statement has one of its own
        self.connection.execute("CREATE TABLE sentence (chunk BIGINT, text VARCHAR)")
        self._numbers = itertools.count()

    def add(self, texts: pa.Array) -> int:
        """Keep sentences.

        Args:
            texts: (n,) normalised strings; NULL and empty ones are dropped.

        Returns:
            The number of this chunk, for `keep_only`.
        """
        number = next(self._numbers)
        with (
            self.errors_with_remedy(),
            self.connection.cursor() as cursor,
        ):  # several threads of DuckDB's may add at once
            cursor.register("added", pa.table({"text": texts}))
            cursor.execute("INSERT INTO sentence SELECT ?, text FROM added WHERE text <> ''", [number])
        return number

    @contextlib.contextmanager
    def errors_with_remedy(self) -> Iterator[None]:
        """Turn errors of the database that counts into a `ThanoError` with the remedy."""
        try:
            yield
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise ThanoError(
                f"the n-grams of the text do not fit into the temporary folder {self._folder.path}: {_last_part(error)}"
                f"; set TMPDIR to a folder on a disk with more space"
            ) from error

    def keep_only(self, chunks: Iterable[int]) -> None:
        """Drop the sentences of all other chunks: those of a statement that failed."""
        kept = "SELECT unnest(?::BIGINT[])"
        self.connection.execute(f"DELETE FROM sentence WHERE chunk NOT IN ({kept})", [list(chunks)])

    def hold_out(self, share: float) -> tuple[str, ...]:
        """Take out a share of the sentences, chosen by their content: equal ones are all in or all out."""
        condition = f"md5_number_lower(text) % 1_000_000 < {round(share * 1_000_000)}"
        rows = self.connection.execute(f"SELECT text FROM sentence WHERE {condition} ORDER BY text").fetchall()
        if len(rows) == self.n_sentences:  # nothing would be left to learn from
            return ()
        self.connection.execute(f"DELETE FROM sentence WHERE {condition}")
        return tuple(text for (text,) in rows)

    @property
    def n_sentences(self) -> int:
        """How many sentences there are."""
        return int(self._value("SELECT count(*) FROM sentence"))

    def size(self) -> TextSize:
        """How much text was counted, after `count_ngrams`."""
        words = self._value("SELECT coalesce(sum(len(ids)), 0) - 2 * count(*) FROM ids")
        sentences = self._value("SELECT count(*) FROM ids")
        return TextSize(int(sentences), int(words), int(self._value("SELECT count(*) - 3 FROM vocabulary")))

    def _value(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        """Give back memory and disk."""
        self.connection.close()
        self._folder.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process modules may be gone
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()


def _last_part(error: duckdb.Error) -> str:
    """The reason in a message such as `IO Error: Could not write file "..": No space left on device`."""
    return str(error).splitlines()[0].rpartition(": ")[2].rstrip(".")


def words(order: int, first: int = 1, table: str = "") -> str:
    """The columns of an n-gram from the word `first` on, as SQL: `w2, w3`."""
    prefix = f"{table}." if table else ""
    return ", ".join(f"{prefix}w{number}" for number in range(first, order + 1))


def windows(order: int) -> str:
    """All n-grams of the sentences, one row each, as a query with the columns w1, w2 and so on."""
    columns = ", ".join(f"unnest(ids[{j}:{j - order - 1}]) AS w{j}" for j in range(1, order + 1))
    return f"(SELECT {columns} FROM ids WHERE len(ids) >= {order})"


def number_words(store: TextStore) -> None:
    """Make the vocabulary, and write each sentence as ids."""
    run = store.connection.execute
    run("""
        CREATE TABLE vocabulary AS
        SELECT (row_number() OVER (ORDER BY n DESC, word) + 2)::INTEGER AS id, word
        FROM (
            SELECT word, count(*) AS n FROM (SELECT unnest(string_split(text, ' ')) AS word FROM sentence) GROUP BY ALL
        )
    """)
    run(f"INSERT INTO vocabulary VALUES ({START_ID}, '{START}'), ({END_ID}, '{END}'), ({UNKNOWN_ID}, '{UNKNOWN}')")
    # A cast to an ENUM looks up the number of a word without a join, which would cut the sentences into rows.
    run("CREATE TYPE word AS ENUM (SELECT word FROM vocabulary ORDER BY id)")
    run(f"""
        CREATE TABLE ids AS
        SELECT list_transform(
            list_concat(['{START}'], string_split(text, ' '), ['{END}'])::word[], lambda w: enum_code(w)::INTEGER
        ) AS ids
        FROM sentence
    """)
    run("DROP TABLE sentence")


def count_ngrams(store: TextStore, order: int) -> None:
    """Count the n-grams of all orders, adjusted as Kneser-Ney needs them.

    The highest order, and every n-gram that begins with <s>, is counted as it occurs. Any other n-gram counts once for
    each distinct word in front of it (Chen and Goodman 1998, section 3).
    """
    run = store.connection.execute
    run(f"CREATE TABLE count{order} AS SELECT {words(order)}, count(*) AS n FROM {windows(order)} GROUP BY ALL")
    for k in range(order - 1, 0, -1):
        continued = ", ".join(f"w{j + 1} AS w{j}" for j in range(1, k + 1))
        begun = ", ".join(f"ids[{j}] AS w{j}" for j in range(1, k + 1))
        at_start = f"UNION ALL SELECT {begun}, count(*) AS n FROM ids WHERE len(ids) >= {k} GROUP BY ALL"
        run(f"""
            CREATE TABLE count{k} AS
            SELECT {continued}, count(*) AS n FROM count{k + 1} GROUP BY ALL {at_start if k > 1 else ""}
        """)
