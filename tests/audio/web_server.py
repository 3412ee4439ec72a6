"""A web server on the loopback that answers as servers should, and as they should not."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import socket
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

from tests.audio.sounds import encode, hum

CLIP = encode(hum(2), "FLAC")
BOMB_BYTES = 512 * 1024 * 1024


class Clips(http.server.BaseHTTPRequestHandler):
    """`/clip.flac` is a clip; `/404` and other numbers answer with that status; the other names are below."""

    protocol_version = "HTTP/1.1"  # connections stay open
    released = threading.Event()
    files: ClassVar[dict[str, bytes]] = {}
    """What `/file?NAME` sends, whole or in parts."""
    sent: ClassVar[list[int]] = []
    """The number of bytes of each answer of `/file?NAME`."""

    def do_GET(self) -> None:
        name, _, argument = self.path.strip("/").partition("?")
        argument = urllib.parse.unquote(argument)
        with suppress(ConnectionError):  # the client has had enough
            if name.isdigit():
                self.send_error(int(name))
            else:
                getattr(self, f"_{name}", self._clip)(argument)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _clip(self, _: str) -> None:
        self._answer(CLIP, len(CLIP))

    def _private(self, argument: str) -> None:
        if self.headers.get("Authorization") == "Bearer xyz":
            self._clip(argument)
        else:
            self.send_error(401)

    def _login(self, _: str) -> None:
        self._answer(b"<html>please log in</html>", 26)

    def _short(self, _: str) -> None:
        self._answer(CLIP[:1000], len(CLIP))
        self.close_connection = True

    def _silent(self, _: str) -> None:
        self.released.wait(30)
        self.close_connection = True

    def _slow(self, _: str) -> None:
        self._head({"Content-Length": str(len(CLIP))})
        for at in range(len(CLIP)):
            self.wfile.write(CLIP[at : at + 1])
            if self.released.wait(0.05):
                return

    def _endless(self, _: str) -> None:
        self._head({})
        while not self.released.is_set():
            self.wfile.write(bytes(1 << 20))

    def _promised(self, n_bytes: str) -> None:
        self._head({"Content-Length": n_bytes})
        self.close_connection = True

    def _raw(self, answer: str) -> None:
        """Send these bytes as the answer."""
        self.wfile.write(answer.encode("latin-1"))
        self.close_connection = True

    def _gzip(self, _: str) -> None:
        self._answer(gzip.compress(CLIP), None, {"Content-Encoding": "gzip"})

    def _zstd(self, _: str) -> None:
        self._answer(CLIP, None, {"Content-Encoding": "zstd"})

    def _damaged_gzip(self, _: str) -> None:
        self._answer(b"\x1f\x8b" + CLIP, None, {"Content-Encoding": "gzip"})

    def _bomb(self, _: str) -> None:
        self._head({"Content-Encoding": "gzip"})
        packer = zlib.compressobj(9, wbits=31)
        for _step in range(BOMB_BYTES >> 20):
            self.wfile.write(packer.compress(bytes(1 << 20)))
        self.wfile.write(packer.flush())

    def _nothing(self, _: str) -> None:
        """Compressed data that expand to nothing, for ever."""
        self._head({"Content-Encoding": "gzip"})
        self.wfile.write(gzip.compress(b"")[:10])
        while not self.released.is_set():
            self.wfile.write(b"\x00\x00\x00\xff\xff" * 100_000)  # empty stored blocks

    def _file(self, name: str) -> None:
        content = self.files[name]
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        is_same = self.headers.get("If-Range", etag) == etag
        if asked and not content:
            self._answer(b"", None, {"Content-Range": "bytes */0"}, status=416)
        elif asked and is_same:
            start, stop = int(asked[1]), min(int(asked[2]) + 1, len(content))
            range_ = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}", "ETag": etag}
            self.sent.append(stop - start)
            self._answer(content[start:stop], None, range_, status=206)
        else:
            self.sent.append(len(content))
            self._answer(content, None)

    def _wrong_range(self, content_range: str) -> None:
        """The whole clip as an answer to any range, with this `Content-Range`, or none where no range was asked for."""
        if "Range" in self.headers:
            self._answer(CLIP, None, {"Content-Range": content_range}, status=206)
        else:
            self._answer(CLIP, None)

    def _to(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _loop(self, _: str) -> None:
        self._to("/loop")

    def _head(self, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        if "Content-Length" not in headers:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(
        self, content: bytes, length: int | None, headers: dict[str, str] | None = None, *, status: int = 200
    ) -> None:
        self._head({"Content-Length": str(len(content) if length is None else length), **(headers or {})}, status)
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that leave."""


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server."""
    Clips.released.clear()
    with (_Server6 if ":" in host else _Server)((host, 0), Clips) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield httpd.server_port
        finally:
            Clips.released.set()
            httpd.shutdown()
            thread.join()


def elapsed_s(started_s: float) -> float:
    """Seconds since `time.monotonic()` was `started_s`."""
    return time.monotonic() - started_s
