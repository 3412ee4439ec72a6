"""DuckDB's own httpfs, against a local object store and a web server.

Skipped where this version of DuckDB has no httpfs on this machine; `make test-httpfs` runs them with one that has it on
PyPI.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.audio.object_store import KEY_ID, REGION, SECRET, Store, object_store
from tests.audio.web_server import CLIP, elapsed_s, serving
from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.connection import database_files
from thano_duckdb.connection.database_files import DatabaseFiles, file_cursor, file_settings
from thano_duckdb.dialect.quoting import literal

INFO = AudioInfo(2.0, 16_000, 1, 32_000, "FLAC", "PCM_16")


def _extension() -> str:
    """What `LOAD` takes: the file in a package of this very version of DuckDB, or the name of what is installed."""
    package = importlib.util.find_spec("duckdb_extension_httpfs")
    if package is None or package.origin is None:
        return "httpfs"
    return str(Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension")


@pytest.fixture
def con(monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with httpfs."""
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as connection:
        connection.execute("SET autoinstall_known_extensions = false")
        try:
            connection.execute(f"LOAD '{_extension()}'")
        except duckdb.Error as error:
            pytest.skip(f"httpfs of DuckDB {duckdb.__version__} is not on this machine: {str(error).splitlines()[0]}")
        if duckdb.__version__ < "2":  # its `read_blob` takes names only as patterns
            monkeypatch.setattr(database_files, "_named", literal)
        connection.execute("SET http_retries = 0")
        yield connection


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with one clip."""
    with object_store() as running:
        running.objects["calls/a b/1.flac"] = CLIP
        yield running


def create_secret(con: duckdb.DuckDBPyConnection, store: Store, *, secret: str = SECRET) -> None:
    con.execute(
        f"CREATE OR REPLACE SECRET store (TYPE s3, KEY_ID '{KEY_ID}', SECRET '{secret}', REGION '{REGION}', "
        f"ENDPOINT '127.0.0.1:{store.port}', USE_SSL false, URL_STYLE 'path', SCOPE 's3://calls')"
    )


def limits(con: duckdb.DuckDBPyConnection, *, max_bytes: int = 1_000_000, timeout_s: float = 30) -> ReadLimits:
    cursors = functools.partial(file_cursor, con, file_settings(con))
    return ReadLimits(max_bytes, timeout_s=timeout_s, database=DatabaseFiles(cursors, with_web=True))


def reason(url: str, limits: ReadLimits) -> str:
    failed = probe(Clip.of(url), limits=limits)
    assert isinstance(failed, AudioFailure)
    return failed.reason


def test_an_object_is_read_with_the_secret_of_the_database(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    create_secret(con, store)
    assert probe(Clip.of("S3://calls/a b/1.flac"), limits=limits(con)) == INFO
    assert {name for _, name, _ in store.requests} == {"calls/a b/1.flac"}
    assert reason("s3://calls/2.flac", limits(con)) == "There is nothing at this s3:// address."


def test_settings_of_the_connection_alone_count_too(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    for name, value in {
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
        "s3_region": REGION,
        "s3_endpoint": f"127.0.0.1:{store.port}",
        "s3_use_ssl": "false",
        "s3_url_style": "path",
    }.items():
        con.execute(f"SET {name} = '{value}'")
    assert probe(Clip.of("s3://calls/a b/1.flac"), limits=limits(con)) == INFO


def test_a_wrong_secret_is_not_shown(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    create_secret(con, store, secret="wrong")
    assert reason("s3://calls/a b/1.flac", limits(con)) == (
        "Access to this s3:// address is denied; check the secret of the database (CREATE SECRET)."
    )


def test_the_sandbox_holds(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    create_secret(con, store)
    con.execute("SET allowed_directories = ['s3://calls/']")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")
    assert probe(Clip.of("s3://calls/a b/1.flac"), limits=limits(con)) == INFO
    store.requests.clear()
    assert "file system operations are disabled" in reason("s3://other/1.flac", limits(con))
    assert store.requests == []


def test_a_file_system_that_is_disabled_is_not_replaced_by_our_own_client(
    con: duckdb.DuckDBPyConnection, store: Store
) -> None:
    create_secret(con, store)
    con.execute("SET disabled_filesystems = 'S3FileSystem'")
    assert "File system S3FileSystem has been disabled" in reason("s3://calls/a b/1.flac", limits(con))
    assert store.requests == []


def test_of_an_object_that_is_too_large_only_the_size_is_read(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    create_secret(con, store)
    assert "larger than 100 bytes" in reason("s3://calls/a b/1.flac", limits(con, max_bytes=100))
    assert [method for method, _, _ in store.requests] == ["HEAD"]


def test_a_web_url_is_read_through_the_database_where_a_secret_covers_it(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SECRET web (TYPE http, BEARER_TOKEN 'xyz', SCOPE 'https://recordings.example.org/')")
    files = DatabaseFiles(con.cursor, with_web=True)
    assert files.reads("https://recordings.example.org/1.wav", "https")
    assert not files.reads("https://recordings.example.com/1.wav", "https")
    assert not DatabaseFiles(con.cursor, with_web=False).reads("https://recordings.example.org/1.wav", "https")


def test_a_web_url_without_a_secret_is_left_to_our_own_client(con: duckdb.DuckDBPyConnection) -> None:
    assert not DatabaseFiles(con.cursor, with_web=True).reads("https://recordings.example.org/1.wav", "https")
    with serving() as port:
        assert probe(Clip.of(f"http://127.0.0.1:{port}/clip.flac"), limits=limits(con)) == INFO


def test_a_web_server_is_sent_the_secret(con: duckdb.DuckDBPyConnection) -> None:
    with serving() as port:
        con.execute(f"CREATE SECRET web (TYPE http, BEARER_TOKEN 'xyz', SCOPE 'http://127.0.0.1:{port}/')")
        assert probe(Clip.of(f"http://127.0.0.1:{port}/private"), limits=limits(con)) == INFO
        assert reason(f"http://127.0.0.1:{port}/404", limits(con)) == "There is nothing at this http:// address."
        started_s = time.monotonic()
        assert "did not arrive within 0.3 s" in reason(f"http://127.0.0.1:{port}/silent", limits(con, timeout_s=0.3))
        assert elapsed_s(started_s) < 5


def test_what_httpfs_opens(con: duckdb.DuckDBPyConnection) -> None:
    files = DatabaseFiles(con.cursor, with_web=True)
    assert all(files.reads(f"{each}://bucket/a.wav", each) for each in ("s3", "s3a", "gs", "gcs"))
    assert files.reads("hf://datasets/owner/name/a.wav", "hf")
    assert not files.reads("hf://owner/model/a.wav", "hf")
    assert not files.reads("az://container/a.wav", "az")
