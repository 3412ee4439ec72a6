"""Requests to web servers, within limits; a clip is written to a file as it arrives."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp
import fsspec
from aiohttp.http_exceptions import HttpProcessingError
from fsspec.asyn import get_loop
from fsspec.config import conf

from thano_duckdb.errors import counted

from . import timeouts
from .event_loop import wait_for
from .failure import UnreadableAudioError, one_line
from .limited_file import LimitedFile
from .limits import ReadLimits
from .redirects import Trail, followed, new_session

T = TypeVar("T")

_CHUNK_BYTES = 1 << 18
_EXPANDED_BYTES = 1 << 20
_NOT_FOLLOWED = "The server redirects to another URL, which is not followed."


def download(url: str, protocol: str, into: LimitedFile, limits: ReadLimits) -> None:
    """Write the body of the answer to a GET of `url`.

    Raises:
        UnreadableAudioError: the server cannot be reached, refuses, redirects inside, or exceeds a limit.
    """

    async def write(response: aiohttp.ClientResponse) -> None:
        await write_body(response, into, limits)

    get(url, protocol, write, limits)


def get(
    url: str,
    protocol: str,
    use: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    limits: ReadLimits,
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
    deadline_s: float | None = None,
) -> T:
    """What `use` makes of the answer to a GET of `url`.

    Args:
        url: where.
        protocol: of `url`.
        use: is called on fsspec's event loop, if the answer is no error and no redirect.
        limits: on the request.
        headers: are sent with it.
        deadline_s: by `time.monotonic()`; default: `limits.timeout_s` from now.

    Raises:
        UnreadableAudioError: the server cannot be reached, refuses, redirects inside, or exceeds a limit.
    """
    # fsspec keeps the session, and has the user's configuration. It is given the plain URL: it must not interpret it.
    filesystem = fsspec.filesystem(protocol, get_client=new_session, **options(protocol))  # type: ignore[no-untyped-call]
    if deadline_s is None and limits.timeout_s is not None:
        deadline_s = time.monotonic() + limits.timeout_s
    work = _get(filesystem, url, use, limits, headers, deadline_s)
    return wait_for(work, get_loop())  # type: ignore[no-untyped-call]


def options(protocol: str) -> dict[str, Any]:
    """Time-outs of the client, beside the settings of fsspec's configuration, which take precedence."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.CONNECT_S, sock_read=timeouts.READ_S)
    return {"client_kwargs": {"timeout": timeout} | conf.get(protocol, {}).get("client_kwargs", {})}


async def _get(
    filesystem: Any,
    url: str,
    use: Callable[[aiohttp.ClientResponse], Awaitable[T]],
    limits: ReadLimits,
    headers: Mapping[str, str],
    deadline_s: float | None,
) -> T:
    with followed() as trail:
        received: aiohttp.ClientResponse | None = None
        try:
            async with asyncio.timeout_at(deadline_s) as deadline:
                session = await filesystem.set_session()
                request = {"max_redirects": limits.max_redirects, **filesystem.kwargs}
                if not limits.max_redirects:  # aiohttp takes 0 for no limit
                    request["allow_redirects"] = False
                request["headers"] = {"Accept-Encoding": "identity", **request.get("headers", {}), **headers}
                async with session.get(filesystem.encode_url(url), **request) as response:
                    if 300 <= response.status < 400:
                        raise UnreadableAudioError(_NOT_FOLLOWED)
                    if not (headers and response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                        response.raise_for_status()
                    received = response
                    return await use(response)
        except TimeoutError as error:
            if deadline.expired():
                raise UnreadableAudioError(
                    f"It did not arrive within {limits.timeout_s:g} s; the option 'timeout' allows more."
                ) from error
            raise UnreadableAudioError(
                f"The server did not answer: no connection within {timeouts.CONNECT_S} s, or nothing for "
                f"{timeouts.READ_S} s after it."
            ) from error
        except (aiohttp.ClientError, zlib.error, ValueError) as error:
            n_received = 0 if received is None else received.content.total_bytes
            raise UnreadableAudioError(_reason(error, trail, n_received, limits)) from error


async def write_body(response: aiohttp.ClientResponse, into: LimitedFile, limits: ReadLimits) -> None:
    """Write the body of an answer as it arrives, expanded where it came compressed.

    Raises:
        UnreadableAudioError: it exceeds a limit, or came in an encoding that was not asked for.
    """
    n_promised = response.content_length
    if n_promised is not None:
        limits.check_bytes(n_promised)  # before it is sent
    expand = _expander(response.headers.get("Content-Encoding", ""), into)
    n_received = 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        n_received += len(chunk)
        limits.check_bytes(n_received)  # what is compressed may expand to nothing, for ever
        expand(chunk)


def _expander(encoding: str, into: LimitedFile) -> Callable[[bytes], None]:
    """What writes a chunk of a body that came in this `Content-Encoding`."""
    match encoding.strip().lower():
        case "" | "identity":
            return into.write
        case "gzip" | "x-gzip" | "deflate":
            expander = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header

            def expand(chunk: bytes) -> None:
                while chunk and not expander.eof:
                    into.write(expander.decompress(chunk, _EXPANDED_BYTES))
                    chunk = expander.unconsumed_tail

            return expand
        case other:
            name = repr(other) if re.fullmatch(r"[\w.,; -]{1,40}", other, re.ASCII) else "something"
            raise UnreadableAudioError(f"The server sent it compressed as {name}, which was not asked for.")


def _meaning(status: int) -> str:
    """What a status means by the standard, not by the server, which may send anything."""
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _reason(error: Exception, trail: Trail, n_received: int, limits: ReadLimits) -> str:
    """One sentence for what went wrong."""
    if trail.refused is not None:
        return (
            f"The server redirects to {trail.refused}, which is not a public address; "
            "a redirect from the internet into a private network is not followed."
        )
    match error:
        case aiohttp.TooManyRedirects():
            return f"The server redirects more than {limits.max_redirects} times."
        case aiohttp.ClientResponseError(status=404):
            return "HTTP 404: there is nothing at this address."
        case aiohttp.ClientResponseError() if isinstance(error.__cause__, HttpProcessingError):
            return "It cannot be fetched: what the server answers is not valid HTTP."  # aiohttp calls this a 400
        case aiohttp.ClientResponseError():
            return f"HTTP {error.status}{_meaning(error.status)}: the server did not send the file."
        case aiohttp.ServerDisconnectedError():  # its text may be the beginning of an answer
            return "It cannot be fetched: the server closed the connection before it answered."
        case aiohttp.InvalidUrlRedirectClientError():
            return "The server redirects to something that is not a URL."
        case aiohttp.NonHttpUrlRedirectClientError():
            return "The server redirects to an address that is not http:// or https://."
        case aiohttp.InvalidURL():
            return "This is not a URL with a valid host."
        case aiohttp.ClientConnectorDNSError():
            return f"There is no server called {error.host}, or the network cannot be reached."
        case aiohttp.ClientConnectorError():
            server = f"[{error.host}]" if ":" in error.host else error.host
            server = f"{server}:{error.port}"
            if "Connect call failed" in str(error.os_error) or isinstance(error.os_error, ConnectionRefusedError):
                return f"The server {server} refused the connection."
            return f"The server {server} cannot be reached: {one_line(error.os_error)}."
        case aiohttp.ClientPayloadError():
            n_bytes = counted(n_received, "byte")
            return f"It cannot be fetched to its end: the server closed the connection after {n_bytes}."
        case zlib.error():
            return "It cannot be fetched: the server sent damaged compressed data."
        case _:
            return f"It cannot be fetched: {one_line(error)}."
