"""Clips at a URL, fetched as a whole through fsspec: http, https, s3, gs, memory and everything else it supports."""

from __future__ import annotations

import importlib.util
from typing import Any

from .failure import UnreadableAudioError

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60  # without any data, not for the whole download: a long recording may take its time


def fetch(url: str) -> bytes:
    """The bytes at `url`.

    What a protocol needs (credentials, headers, endpoints) comes from fsspec's own configuration files and the
    environment, as for every fsspec user.

    Raises:
        UnreadableAudioError: the protocol is not supported, its package is missing, there is nothing at the URL, or the
            server does not answer.
    """
    import fsspec

    protocol = url.split("://", 1)[0].lower()
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **_options(protocol))  # type: ignore[no-untyped-call]
        data: bytes = filesystem.cat_file(path)
    except ImportError as error:  # fsspec names the package: "Install s3fs to access S3"
        raise UnreadableAudioError(f"{protocol}:// needs a package that is not installed: {error}.") from error
    except Exception as error:  # each protocol's package has exceptions of its own
        raise UnreadableAudioError(_reason(protocol, error)) from error
    return data


def _options(protocol: str) -> dict[str, Any]:
    """Time-outs, in the form that the package of `protocol` expects; what the user has configured takes precedence."""
    from fsspec.config import conf

    def under(option: str, ours: dict[str, Any]) -> dict[str, Any]:
        return {option: ours | conf.get(protocol, {}).get(option, {})}

    if protocol in ("http", "https") and importlib.util.find_spec("aiohttp"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
        return under("client_kwargs", {"timeout": timeout})
    if protocol in ("s3", "s3a"):
        return under("config_kwargs", {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S})
    return {}


def _reason(protocol: str, error: Exception) -> str:
    """One sentence for what went wrong while fetching."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        meaning = getattr(error, "message", "")
        return f"HTTP {status}{f' {meaning}' if meaning else ''}: the server did not send the file."
    if isinstance(error, FileNotFoundError):
        if protocol in ("http", "https"):
            return "HTTP 404: there is nothing at this address."
        return f"There is nothing at this {protocol}:// address."
    if isinstance(error, PermissionError):
        return f"Access to this {protocol}:// address is denied; check the credentials."
    if isinstance(error, TimeoutError):
        return f"The server did not answer within {CONNECT_TIMEOUT_S} to {READ_TIMEOUT_S} s."
    if isinstance(error, ValueError) and "Protocol not known" in str(error):
        return f"The protocol {protocol}:// is not supported; use a path, http(s)://, s3:// or gs://."
    detail = " ".join(str(error).split()) or type(error).__name__
    return f"It cannot be fetched: {detail}."
