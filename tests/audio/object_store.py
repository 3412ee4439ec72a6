"""A small object store on the loopback that speaks as much of the S3 protocol as reading takes.

It checks the signature of each request (AWS Signature Version 4), so that only the right key and secret read anything.
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

KEY_ID, SECRET, REGION = "AKIATEST", "the/secret+key", "eu-test-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>\w+)"
)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Store:
    """A store that runs.

    Attributes:
        port: on the loopback.
        objects: by bucket and key, as in `calls/1.flac`.
        requests: method, object and range of each request that was answered.
    """

    port: int
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)


@contextmanager
def object_store() -> Iterator[Store]:
    """A store that runs within the block."""

    class Requests(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            if not _is_signed(self):
                self._send(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", with_body=with_body)
                return
            name = urllib.parse.unquote(self.path.partition("?")[0]).lstrip("/")
            asked = self.headers.get("Range")
            store.requests.append((self.command, name, asked))
            content = store.objects.get(name)
            if content is None:
                self._send(404, b"<Error><Code>NoSuchKey</Code></Error>", with_body=with_body)
            elif found := _RANGE.fullmatch(asked or ""):
                start, stop = int(found[1]), min(len(content), int(found[2] or len(content)) + 1)
                headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
                self._send(206, content[start:stop], headers, with_body=with_body)
            else:
                self._send(200, content, with_body=with_body)

        def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None, *, with_body: bool) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), "ETag": '"1"', **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        store = Store(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


def _is_signed(request: http.server.BaseHTTPRequestHandler) -> bool:
    """Whether the signature of a request is that of `KEY_ID` and `SECRET`."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None or found["key"] != KEY_ID:
        return False
    path, _, query = request.path.partition("?")
    signed = found["headers"].split(";")
    canonical = "\n".join(
        [
            request.command,
            path,
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed),
            "",
            ";".join(signed),
            request.headers.get("x-amz-content-sha256", ""),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers.get("x-amz-date", ""), found["scope"], hashed])
    key = b"AWS4" + SECRET.encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"])
