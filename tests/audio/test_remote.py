"""Clips at a URL."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.audio.sounds import encode, hum, reason, waveform
from thano_duckdb.audio import remote
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.source import Clip

CLIP = encode(hum(2), "FLAC")


class _Clips(http.server.BaseHTTPRequestHandler):
    """`/clip.flac` is a clip; `/404` and other numbers answer with that status; `/silent` never answers."""

    released = threading.Event()

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name.isdigit():
            self.send_error(int(name))
        elif name == "silent":
            self.released.wait(30)
        elif name == "login":
            self._answer(b"<html>please log in</html>", 26)
        elif name == "broken":
            self._answer(CLIP[:1000], len(CLIP))
        else:
            self._answer(CLIP, len(CLIP))

    def _answer(self, content: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on the loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Clips) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        _Clips.released.set()
        httpd.shutdown()
        thread.join()


def test_a_clip_is_read_over_http(server: str) -> None:
    assert np.array_equal(waveform(f"{server}/clip.flac?signed=a%2Fb").samples, waveform(CLIP).samples)
    assert probe(Clip.of(f"{server}/clip.flac")) == AudioInfo(2.0, 16_000, 1, 32_000, "FLAC", "PCM_16")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("404", "HTTP 404"),
        ("403", "HTTP 403"),
        ("500", "HTTP 500"),
        ("login", "an HTML page"),
        ("broken", "cannot be fetched"),
    ],
)
def test_each_http_failure_has_its_reason(server: str, name: str, words: str) -> None:
    assert words in reason(f"{server}/{name}")


def test_a_refused_connection_is_a_failure() -> None:
    assert "cannot be fetched" in reason("http://127.0.0.1:9/clip.wav")


def test_a_server_that_never_answers_is_a_failure(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "READ_TIMEOUT_S", 0.3)
    started = time.monotonic()
    assert "did not answer" in reason(f"{server}/silent")
    assert time.monotonic() - started < 4


def test_other_protocols_are_read_through_fsspec() -> None:
    fsspec.filesystem("memory").pipe_file("/clips/a.flac", CLIP)
    assert waveform("memory://clips/a.flac").duration_s == 2
    assert reason("memory://clips/b.flac") == "There is nothing at this memory:// address."
    assert reason("nonsense://a.wav").startswith("The protocol nonsense:// is not supported")


def test_a_missing_protocol_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    failed = reason("s3://bucket/a.wav")
    assert failed.startswith("s3:// needs a package that is not installed")
    assert "s3fs" in failed


def test_the_users_configuration_of_fsspec_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.config import conf

    monkeypatch.setitem(conf, "https", {"client_kwargs": {"headers": {"Authorization": "Bearer x"}}})
    options = remote._options("https")["client_kwargs"]
    assert options["headers"] == {"Authorization": "Bearer x"}
    assert options["timeout"].sock_connect == remote.CONNECT_TIMEOUT_S


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
    (tmp_path / "clip.flac").write_bytes(CLIP)
    script = (
        "import sys\n"
        "from thano_duckdb.audio.decode import decode\nfrom thano_duckdb.audio.source import Clip\n"
        "decode(Clip.of(sys.argv[1]))\n"
        "print([name for name in ('fsspec', 'aiohttp', 'asyncio', 'torch') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "clip.flac")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
