"""URLs that the database opens itself: by file systems registered in Python, and, likewise, by httpfs."""

from __future__ import annotations

import _thread
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import thano_duckdb
from tests.audio.web_server import CLIP, elapsed_s
from thano_duckdb import ThanoError
from thano_duckdb.connection import database_files

MODEL = "Wav2Vec2TinyEn"
pytestmark = pytest.mark.filterwarnings("ignore:.*could not be transcribed:thano_duckdb.ThanoWarning")


class Shelf(MemoryFileSystem):
    """A file system that only the database has: fsspec knows no protocol of this name."""

    protocol = "shelf"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in its base
    opened: list[str] = []  # noqa: RUF012 - likewise
    released = threading.Event()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("shelf://", "memory://"))  # type: ignore[no-any-return]

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:  # type: ignore[override]
        if mode != "rb":
            return super()._open(path, mode, **kwargs)
        self.opened.append(path)
        if "slow" in path:
            self.released.wait(30)
        if "forbidden" in path:
            raise PermissionError(path)
        if "broken" in path:
            raise RuntimeError("the disk of 'https://ann:secret@host' is broken\nsecond line")
        return super()._open(path, mode, **kwargs)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with a shelf of clips, one of which has a name that is also a pattern."""
    shelf = Shelf(skip_instance_cache=True)
    Shelf.store.clear()
    Shelf.opened.clear()
    Shelf.released.clear()
    for name in ("a.flac", "b[1].flac", "b1.flac", "c*.flac", "slow.flac", "forbidden.flac", "broken.flac"):
        shelf.pipe_file(f"/clips/{name}", CLIP if name != "b1.flac" else b"another file")
    shelf.pipe_file("/clips/empty.flac", b"")
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as connection:
        connection.register_filesystem(shelf)
        yield connection
    Shelf.released.set()


def info(con: Any, url: str, options: str = "{}") -> Any:
    ((found,),) = con.execute("SELECT thano_audio_info(?, ?)", [url, options]).fetchall()
    return found


def error(con: Any, url: str, options: str = "{}") -> str:
    return str(info(con, url, options)["error"])


def test_every_statement_reads_what_the_database_opens(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    url = "shelf:///clips/a.flac"
    assert info(con, url)["duration"] == 2.0
    (tmp_path / "a.flac").write_bytes(CLIP)
    paths = [url, str(tmp_path / "a.flac")]
    con.execute("CREATE TABLE clips AS SELECT unnest(?) AS audio_path, 'a b' AS text", [paths])
    (remote, local) = con.sql(f"SELECT predicted FROM (PREDICT USING {MODEL} AS FROM clips)").fetchall()
    assert remote == local
    scores = dict(con.sql(f"EVALUATE USING {MODEL} AS FROM clips").fetchall())
    assert (scores["clips"], scores["failed"]) == (2, 0)
    assert [row[-1] for row in con.sql("PRINT AUDIO AS FROM clips").fetchall()] == [None, None]
    assert (
        thano_duckdb.show(con.sql("SELECT audio_path, text AS predicted FROM clips"))._repr_html_().count("<audio") == 2
    )
    (epoch,) = con.sql(f"BUILD MODEL mine USING {MODEL} OPTIONS (epochs=1) AS FROM clips").fetchall()
    assert epoch


def test_a_plain_connection_reads_what_its_database_opens() -> None:
    with duckdb.connect() as plain:
        Shelf(skip_instance_cache=True).pipe_file("/clips/a.flac", CLIP)
        plain.register_filesystem(Shelf())
        thano_duckdb.load(plain)
        assert info(plain, "shelf:///clips/a.flac")["duration"] == 2.0


def test_a_name_is_no_pattern(con: thano_duckdb.Connection) -> None:
    assert info(con, "shelf:///clips/b[1].flac")["duration"] == 2.0
    assert info(con, "shelf:///clips/c*.flac")["duration"] == 2.0
    assert error(con, "shelf:///clips/?.flac") == "There is nothing at this shelf:// address."
    assert error(con, "shelf:///clips/b1.flac") == "It is a text file, not audio."


def test_the_case_of_the_protocol_does_not_matter(con: thano_duckdb.Connection) -> None:
    assert info(con, "SHELF:///clips/a.flac")["duration"] == 2.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing.flac", "There is nothing at this shelf:// address."),
        ("empty.flac", "It is empty (0 bytes)."),
        (
            "forbidden.flac",
            "Access to this shelf:// address is denied; check the secret of the database (CREATE SECRET).",
        ),
        ("broken.flac", "DuckDB cannot read it: second line."),
    ],
)
def test_each_failure_has_its_reason(con: thano_duckdb.Connection, name: str, expected: str) -> None:
    assert error(con, f"shelf:///clips/{name}").startswith(expected)


def test_the_size_is_checked_before_the_content_is_read(con: thano_duckdb.Connection) -> None:
    assert "larger than 100 bytes" in error(con, "shelf:///clips/a.flac", '{"max_bytes": 100}')


def test_a_slow_file_exceeds_the_time_limit(con: thano_duckdb.Connection) -> None:
    started_s = time.monotonic()
    assert "did not arrive within 0.3 s" in error(con, "shelf:///clips/slow.flac", '{"timeout": 0.3}')
    assert elapsed_s(started_s) < 5


def test_neither_ctrl_c_nor_close_waits_for_a_slow_file(con: thano_duckdb.Connection) -> None:
    started_s = time.monotonic()
    threading.Timer(0.5, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        con.sql("SELECT thano_audio_info('shelf:///clips/slow.flac')").fetchall()
    con.close()
    assert elapsed_s(started_s) < 5


def test_the_end_of_the_process_does_not_wait_for_a_slow_file() -> None:
    script = (
        "import _thread, threading, time\n"
        "from fsspec.implementations.memory import MemoryFileSystem\n"
        "import thano_duckdb\n"
        "class Slow(MemoryFileSystem):\n"
        "    def _open(self, path, mode='rb', **kwargs):\n"
        "        time.sleep(60)\n"
        "con = thano_duckdb.connect(progress=False)\n"
        "con.register_filesystem(Slow())\n"
        "con.sql('SELECT 1').fetchall()\n"
        "Slow.store['/a.flac'] = None\n"
        "threading.Timer(0.3, _thread.interrupt_main).start()\n"
        "try: con.sql(\"SELECT thano_audio_info('memory:///a.flac')\").fetchall()\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=40)
    assert (run.stdout, run.returncode) == ("interrupted\n", 0), run.stderr


def test_many_files_are_read_while_every_thread_of_duckdb_waits_for_them(con: thano_duckdb.Connection) -> None:
    con.execute("SET threads = 1")
    found = con.sql("SELECT thano_audio_info('shelf:///clips/a.flac').duration FROM range(5000)").fetchall()
    assert found == [(2.0,)] * 5000


def test_a_chain_is_refused_though_the_database_has_the_protocol(con: thano_duckdb.Connection) -> None:
    for url in ("shelf://a.flac::file:///etc/passwd", "simplecache::shelf:///clips/a.flac", "shelf:///clips/a::b.flac"):
        assert error(con, url) == "URLs chained by '::' are not supported."
    assert Shelf.opened == []


def test_the_sandbox_holds_for_what_the_database_opens(con: thano_duckdb.Connection) -> None:
    con.execute("SET allowed_directories = ['shelf:///clips/']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    assert info(con, "shelf:///clips/a.flac")["duration"] == 2.0
    for url in ("shelf:///a.flac", "shelf:///clips/../a.flac", "shelf:///clips/%2e%2e/a.flac", "other:///clips/a.flac"):
        assert "may not read files or URLs" in error(con, url)
    with pytest.raises(ThanoError, match=r"may not (read files or URLs|write files)"):
        con.sql(f"BUILD MODEL mine USING {MODEL} AS SELECT 'shelf:///a.flac' AS audio_path, 'a' AS text")
    assert set(Shelf.opened) == {"/clips/a.flac"}


def test_a_protocol_that_neither_the_database_nor_we_open_is_refused(con: thano_duckdb.Connection) -> None:
    assert error(con, "attic:///a.flac").startswith("The protocol attic:// is not supported")


def test_what_is_set_on_a_connection_holds_on_its_cursors(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        database_files, "_FILE_SETTING", re.compile("max_expression_depth")
    )  # stands for those of httpfs
    con.execute("SET max_expression_depth = 77")
    con.sql("SELECT 1").fetchall()
    assert con.file_cursor().execute("SELECT current_setting('max_expression_depth')").fetchone() == (77,)
    assert con.cursor().file_cursor().execute("SELECT current_setting('max_expression_depth')").fetchone() == (1000,)
    con.execute("RESET max_expression_depth")
    con.execute("SELECT thano_audio_info('shelf:///clips/a.flac')").fetchall()
    assert con.file_cursor().execute("SELECT current_setting('max_expression_depth')").fetchone() == (1000,)
    con.execute("SET max_expression_depth = 78; SET lock_configuration = true")
    con.sql("SELECT 1").fetchall()
    assert con.file_cursor().execute("SELECT current_setting('max_expression_depth')").fetchone() == (1000,)
