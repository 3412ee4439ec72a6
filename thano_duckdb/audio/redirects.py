"""An HTTP client that does not let a redirect from the public internet lead inside.

The address that counts is the one that is connected to: names, and spellings of numbers, say nothing about it. A URL
that is itself inside (an intranet, the same machine) is the user's choice, and may redirect within.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from socket import socket
from typing import Any

import aiohttp
from aiohttp.connector import Connection

from . import public_address


@dataclass
class Trail:
    """The addresses that one request was led through.

    Attributes:
        is_public: its last address is public; then every later one is.
        refused: host and port of the address inside that it was led to next, if it was.
    """

    is_public: bool = False
    refused: str | None = None

    def check(self, host: str, port: object) -> None:
        """Raise `PermissionError` where the next address lies inside, and the last one did not."""
        if self.is_public and not public_address.is_public(host):
            self.refused = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise PermissionError(f"a redirect to {self.refused}")


_trail: ContextVar[Trail] = ContextVar("trail")


@contextlib.contextmanager
def followed() -> Iterator[Trail]:
    """Follow the requests of this task; each begins a trail of its own."""
    trail = Trail()
    token = _trail.set(trail)
    try:
        yield trail
    finally:
        _trail.reset(token)


class _Connector(aiohttp.TCPConnector):
    """Checks each address before it is connected to, and each connection again before anything is sent over it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(socket_factory=_socket, **settings)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Connection:
        connection = await super().connect(req, traces, timeout)
        trail, peer = _trail.get(Trail()), _peer(connection)
        try:
            trail.check(*peer)  # it may be an open connection of a request that was allowed to go there
        except PermissionError:
            connection.close()
            raise
        trail.is_public = public_address.is_public(peer[0])
        return connection


def _socket(address: Any) -> socket:
    family, kind, protocol, _, place = address
    _trail.get(Trail()).check(*place[:2])
    return socket(family, kind, protocol)


def _peer(connection: Connection) -> tuple[str, int]:
    transport = connection.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    return peer[:2] if peer else ("", 0)


async def new_session(*, loop: Any = None, **settings: Any) -> aiohttp.ClientSession:
    """What fsspec calls for its session; `settings` are those of `aiohttp.ClientSession`.

    Compressed bodies come as they are: how far they expand is to be limited.
    """
    return aiohttp.ClientSession(**{**settings, "connector": _Connector(), "auto_decompress": False})
