"""Clips at a URL, fetched as a whole or in parts: by the database, from web servers, and from stores by fsspec."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from . import timeouts
from .database_file import DatabaseFile
from .event_loop import run_abandonable, wait_for
from .failure import UnreadableAudioError, one_line
from .limited_file import LimitedFile
from .limits import ReadLimits
from .protocols import WEB, check_supported, protocol_of
from .remote_parts import BLOCK_BYTES, RemoteParts

_CHUNK_BYTES = 8 * 1024 * 1024


def fetch(url: str, into: LimitedFile, limits: ReadLimits, *, in_parts: bool = False) -> RemoteParts | None:
    """Write the bytes at `url`.

    What a protocol needs (credentials, headers, endpoints) comes from the secrets and settings of the database, where
    that opens the URL (`limits.database`), else from fsspec's own configuration files and the environment, as for every
    fsspec user.

    Args:
        url: where.
        into: takes all the bytes.
        limits: on reading them.
        in_parts: only some parts are needed, such as the header.

    Returns:
        For `in_parts`, the file of which parts can be fetched; None where all the bytes are in `into`.

    Raises:
        UnreadableAudioError: the protocol is not supported, its package is missing, there is nothing at the URL, the
            server does not answer, or a limit is exceeded.
    """
    protocol = protocol_of(url)
    with _reasons(protocol, limits):
        if limits.database is not None and limits.database.reads(url, protocol):
            _read_by_database(limits.database.open(f"{protocol}{url[len(protocol) :]}"), into, limits)
            return None
        check_supported(protocol)
        if protocol in WEB:
            from . import http_download, http_parts  # aiohttp is imported only for URLs

            if in_parts:
                return http_parts.open_parts(url, protocol, into, limits)
            http_download.download(url, protocol, into, limits)
            return None
        store = _StoreFile(url, protocol, limits)
        if in_parts:
            return RemoteParts(store.read(0, min(BLOCK_BYTES, store.n_bytes)), store.n_bytes, store.read)
        for start in range(0, store.n_bytes, _CHUNK_BYTES):  # one chunk is in memory at a time
            into.write(store.read(start, min(store.n_bytes, start + _CHUNK_BYTES)))
    return None


@contextlib.contextmanager
def _reasons(protocol: str, limits: ReadLimits) -> Iterator[None]:
    """Within the block, every exception becomes an `UnreadableAudioError` with its reason."""
    try:
        yield
    except UnreadableAudioError:
        raise
    except ImportError as error:  # fsspec names the package: "Install s3fs to access S3"
        raise UnreadableAudioError(f"{protocol}:// needs a package that is not installed: {error}.") from error
    except Exception as error:  # each protocol's package has exceptions of its own
        raise UnreadableAudioError(_reason(protocol, error, limits)) from error


def _read_by_database(file: DatabaseFile, into: LimitedFile, limits: ReadLimits) -> None:
    """Write a file that the database opens. Its size is checked first."""

    def read() -> bytes:
        try:
            limits.check_bytes(file.n_bytes())
            return file.content()
        finally:
            file.close()

    into.write(run_abandonable(read, file.interrupt, limits.timeout_s))


class _StoreFile:
    """An object of a store, within limits.

    Attributes:
        n_bytes: its size.
    """

    def __init__(self, url: str, protocol: str, limits: ReadLimits) -> None:
        """Ask for its size, and check it."""
        import fsspec

        self._protocol = protocol
        self._limits = limits
        self._stop_s = None if limits.timeout_s is None else time.monotonic() + limits.timeout_s
        # Not `fsspec.open` or `url_to_fs`: they interpret chains.
        self._filesystem: Any = fsspec.filesystem(protocol, **_options(protocol))  # type: ignore[no-untyped-call]
        self._path = self._filesystem._strip_protocol(url)
        status = _call(self._filesystem, "info", self._stop_s, self._path)
        if status["type"] != "file":
            raise FileNotFoundError(self._path)
        self.n_bytes: int = status["size"]
        limits.check_bytes(self.n_bytes)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` up to, but not including, `stop`.

        Raises:
            UnreadableAudioError: with the reason.
        """
        if start == stop:  # s3fs would ask for bytes 0 to -1
            return b""
        with _reasons(self._protocol, self._limits):
            content: bytes = _call(self._filesystem, "cat_file", self._stop_s, self._path, start=start, end=stop)
            if len(content) != stop - start:
                raise UnreadableAudioError("The file in the store changed while it was read.")
            return content


def _call(filesystem: Any, method: str, stop_s: float | None, *args: Any, **named: Any) -> Any:
    """The result of a method of an fsspec file system, which is given up at `stop_s` if it is asynchronous.

    Raises:
        TimeoutError: it is later than `stop_s`.
    """
    left_s = None if stop_s is None else stop_s - time.monotonic()
    if left_s is not None and left_s <= 0:
        raise TimeoutError
    if not filesystem.async_impl:
        return getattr(filesystem, method)(*args, **named)

    import asyncio

    async def within() -> Any:
        async with asyncio.timeout(left_s):
            return await getattr(filesystem, f"_{method}")(*args, **named)

    return wait_for(within(), filesystem.loop)


def _options(protocol: str) -> dict[str, Any]:
    """Time-outs of a single request, in the form that the package of `protocol` expects, and the user's settings."""
    from fsspec.config import conf

    if protocol in ("s3", "s3a"):
        ours = {"connect_timeout": timeouts.CONNECT_S, "read_timeout": timeouts.READ_S}
        return {"config_kwargs": ours | conf.get(protocol, {}).get("config_kwargs", {})}
    return {}


def _reason(protocol: str, error: Exception, limits: ReadLimits) -> str:
    """One sentence for what went wrong while fetching from a store."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"HTTP {status} {one_line(error)}: the server did not send the file."
    if isinstance(error, FileNotFoundError):
        return f"There is nothing at this {protocol}:// address."
    if isinstance(error, PermissionError):
        return f"Access to this {protocol}:// address is denied; check the credentials."
    if isinstance(error, TimeoutError) and limits.timeout_s is not None:
        return f"It did not arrive within {limits.timeout_s:g} s; the option 'timeout' allows more."
    return f"It cannot be fetched: {one_line(error)}."
