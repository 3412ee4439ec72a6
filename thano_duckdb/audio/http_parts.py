"""Parts of a file on a web server, by range requests."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from .failure import UnreadableAudioError
from .http_download import download, get, write_body
from .limited_file import LimitedFile
from .limits import ReadLimits
from .remote_parts import BLOCK_BYTES, RemoteParts

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True)
class _Part:
    """A part of a file as a server sent it.

    Attributes:
        content: its bytes.
        n_bytes: the size of the whole file.
        version: what `If-Range` takes, so that later parts are of the same file.
    """

    content: bytes
    n_bytes: int
    version: str | None


def open_parts(url: str, protocol: str, into: LimitedFile, limits: ReadLimits) -> RemoteParts | None:
    """The file at `url`, whose beginning has been fetched. None if the server sends only all of it, which is `into`.

    Raises:
        UnreadableAudioError: as `http_download.download`.
    """
    deadline_s = None if limits.timeout_s is None else time.monotonic() + limits.timeout_s

    async def begin(response: aiohttp.ClientResponse) -> tuple[int, _Part | None]:
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            return response.status, await _part(response, 0, BLOCK_BYTES)
        if response.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # no first byte: it is empty
            await write_body(response, into, limits)
        return response.status, None

    def fetch(start: int, stop: int) -> bytes:
        async def go_on(response: aiohttp.ClientResponse) -> bytes:
            part = None
            if response.status == HTTPStatus.PARTIAL_CONTENT:
                part = await _part(response, start, stop)
            if part is None or part.n_bytes != first.n_bytes:
                raise UnreadableAudioError("The file on the server changed while it was read.")
            return part.content

        headers = {"Range": f"bytes={start}-{stop - 1}"}
        if first.version is not None:
            headers["If-Range"] = first.version
        return get(url, protocol, go_on, limits, headers=headers, deadline_s=deadline_s)

    headers = {"Range": f"bytes=0-{BLOCK_BYTES - 1}"}
    status, part = get(url, protocol, begin, limits, headers=headers, deadline_s=deadline_s)
    if part is None:
        if status == HTTPStatus.PARTIAL_CONTENT:  # it makes no sense
            download(url, protocol, into, limits)
        return None
    first = part
    limits.check_bytes(first.n_bytes)
    return RemoteParts(first.content, first.n_bytes, fetch)


async def _part(response: aiohttp.ClientResponse, start: int, stop: int) -> _Part | None:
    """The part from `start` up to, but not including, `stop` or the end of the file; None if it is another one."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return None
    first, last, n_bytes = map(int, found.groups())
    if (first, last + 1) != (start, min(stop, n_bytes)):
        return None
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > stop - start:
            break
    if len(content) != last + 1 - first:
        return None
    etag = response.headers.get("ETag", "")
    version = etag if etag.startswith('"') else response.headers.get("Last-Modified")
    return _Part(bytes(content), n_bytes, version)
