"""Clips at a URL."""

from __future__ import annotations

import inspect
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.audio.sounds import encode, hiss, reason, waveform
from tests.audio.web_server import CLIP, serving
from thano_duckdb.audio import http_download, limited_file, remote, timeouts
from thano_duckdb.audio.decode import AudioFailure, decode
from thano_duckdb.audio.failure import UnreadableAudioError
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on the loopback."""
    with serving() as port:
        yield f"http://127.0.0.1:{port}"


def test_a_clip_is_read_over_http(server: str) -> None:
    expected = waveform(CLIP).samples
    for url in (f"{server}/clip.flac?signed=a%2Fb::c", f"{server}/gzip", server.replace("http", "HTTP") + "/clip.flac"):
        assert np.array_equal(waveform(url).samples, expected)
    assert probe(Clip.of(f"{server}/clip.flac")) == AudioInfo(2.0, 16_000, 1, 32_000, "FLAC", "PCM_16")


def test_a_large_download_is_read_from_a_file(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_file, "MAX_MEMORY_BYTES", 1000)
    assert np.array_equal(waveform(f"{server}/clip.flac").samples, waveform(CLIP).samples)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("404", "HTTP 404"),
        ("403", "HTTP 403"),
        ("500", "HTTP 500"),
        ("login", "an HTML page"),
        ("short", "cannot be fetched to its end: the server closed the connection after 1,000 bytes"),
        ("zstd", "compressed as 'zstd', which was not asked for"),
        ("damaged_gzip", "damaged compressed data"),
        ("to?ftp://example.org/a.wav", "redirects to an address that is not http:// or https://"),
        ("to?file:///etc/passwd", "redirects to an address that is not http:// or https://"),
        ("loop", "redirects more than 10 times"),
    ],
)
def test_each_http_failure_has_its_reason(server: str, name: str, words: str) -> None:
    assert words in reason(f"{server}/{name}")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nsecret", "what the server answers is not valid HTTP."),
        ("HTTP/1.1 999999 secret\xff\r\n\r\n", "what the server answers is not valid HTTP."),
        ("HTTP/1.1 200 OK\r\nsecret\x00: \x1b[31m\r\n\r\n", "what the server answers is not valid HTTP."),
        ("secret", "what the server answers is not valid HTTP."),
        ("HTTP/1.1 200 OK\r\nsecret: ", "the server closed the connection before it answered."),
        ("", "the server closed the connection before it answered."),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: \x80secret\r\n\r\n",
            "The server sent it compressed as something, which was not asked for.",
        ),
        ("HTTP/1.1 418 secret\x80\r\n\r\n", "HTTP 418 I'm a Teapot: the server did not send the file."),
        ("HTTP/1.1 599 secret\r\n\r\n", "HTTP 599: the server did not send the file."),
    ],
)
def test_a_reason_is_one_sentence_without_what_the_server_sent(server: str, answer: str, expected: str) -> None:
    said = reason(f"{server}/raw?{urllib.parse.quote(answer)}")
    assert said.removeprefix("It cannot be fetched: ") == expected


def test_a_reason_holds_no_line_ends_and_no_control_characters() -> None:
    assert UnreadableAudioError("one\r\n two\x1b[31m\u2028three.").failure.reason == "one two [31m three."


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9/clip.wav", "The server 127.0.0.1:9 refused the connection."),
        ("http://[::1]:9/clip.wav", "The server [::1]:9 "),
        ("http://localhost:9/clip.wav", "The server localhost:9 refused the connection."),
        ("http://nobody.invalid/clip.wav", "There is no server called nobody.invalid"),
        ("http:///clip.wav", "This is not a URL"),
        ("https://", "This is not a URL"),
        ("http://[::1/clip.wav", "It cannot be fetched: "),
        ("http://a:99999/clip.wav", "It cannot be fetched: "),
    ],
)
def test_a_server_that_cannot_be_reached_is_named(url: str, expected: str) -> None:
    assert reason(url).startswith(expected)


def test_a_server_that_never_answers_is_a_failure(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "READ_S", 0.3)
    assert "did not answer" in reason(f"{server}/silent")


def memory_as_s3(monkeypatch: pytest.MonkeyPatch) -> MemoryFileSystem:
    """An empty store in memory, which fsspec takes for s3fs."""

    class Store(MemoryFileSystem):
        """Stands for s3fs."""

        protocol = "s3"
        store: dict[str, object] = {}  # noqa: RUF012 - as in its base

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.lower().replace("s3://", "memory://"))  # type: ignore[no-any-return]

    known = fsspec.get_filesystem_class

    def filesystem_class(protocol: str) -> Any:
        return Store if protocol == "s3" else known(protocol)

    monkeypatch.setattr(inspect.getmodule(fsspec.filesystem), "get_filesystem_class", filesystem_class)
    return Store()


def test_object_stores_are_read_through_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_as_s3(monkeypatch)
    monkeypatch.setattr(remote, "_CHUNK_BYTES", 1000)
    store.pipe_file("/clips/a.flac", CLIP)
    store.pipe_file("/clips/empty.flac", b"")
    assert np.array_equal(waveform("S3://clips/a.flac").samples, waveform(CLIP).samples)
    assert reason("s3://clips/b.flac") == "There is nothing at this s3:// address."
    assert reason("s3://clips") == "There is nothing at this s3:// address."
    assert reason("s3://clips/empty.flac") == "It is empty (0 bytes)."
    assert decode(Clip.of("s3://clips/a.flac"), limits=ReadLimits(max_bytes=100)) == AudioFailure(
        "It is larger than 100 bytes; the option 'max_bytes' sets this limit."
    )
    late = decode(Clip.of("s3://clips/a.flac"), limits=ReadLimits(timeout_s=1e-9))
    assert isinstance(late, AudioFailure)
    assert "did not arrive within 1e-09 s" in late.reason


def test_a_missing_protocol_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    failed = reason("s3://bucket/a.wav")
    assert failed.startswith("s3:// needs a package that is not installed")
    assert "s3fs" in failed


def test_the_users_configuration_of_fsspec_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.config import conf

    monkeypatch.setitem(conf, "https", {"client_kwargs": {"headers": {"Authorization": "Bearer x"}}})
    options = http_download.options("https")["client_kwargs"]
    assert options["headers"] == {"Authorization": "Bearer x"}
    assert options["timeout"].sock_connect == timeouts.CONNECT_S


def test_no_session_is_left_open_at_exit(server: str) -> None:
    """Open sessions would print warnings when the interpreter ends; threads that decode come and go."""
    script = (
        "import concurrent.futures, sys\n"
        "from thano_duckdb.audio.decode import Waveform, decode\nfrom thano_duckdb.audio.source import Clip\n"
        "def one(n): return decode(Clip.of(sys.argv[1] + ('/clip.flac' if n % 2 else '/404')))\n"
        "for _ in range(2):\n"
        "    with concurrent.futures.ThreadPoolExecutor(4) as pool:\n"
        "        found = list(pool.map(one, range(16)))\n"
        "print(sum(isinstance(each, Waveform) for each in found), isinstance(one(1), Waveform))\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, server]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.stdout, run.stderr, run.returncode) == ("8 True\n", "", 0)


def test_the_network_packages_are_loaded_only_for_urls(tmp_path: Path) -> None:
    (tmp_path / "clip.flac").write_bytes(encode(hiss(0.1), "FLAC"))
    script = (
        "import sys\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.source import Clip\n"
        "decode(Clip.of(sys.argv[1]))\n"
        "print([name for name in ('fsspec', 'aiohttp', 'asyncio', 'torch') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "clip.flac")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
