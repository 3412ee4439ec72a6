"""A redirect of a public server never leads inside, however the address inside is written."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.audio.sounds import reason, waveform
from tests.audio.web_server import serving
from thano_duckdb.audio import public_address

INSIDE = "127.0.0.2"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server on every address of this machine."""
    with serving("::") as number:
        yield number


@pytest.fixture
def outside(port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a server that counts as public; names resolve without a network."""
    really_public, really_resolve = public_address.is_public, socket.getaddrinfo
    names = {"inside.example": INSIDE, "outside.example": "127.0.0.1"}

    def is_public(host: str) -> bool:
        return host in ("127.0.0.1", "::ffff:127.0.0.1") or really_public(host)

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        return really_resolve(names.get(host, host), *more, **named)

    monkeypatch.setattr(public_address, "is_public", is_public)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        (INSIDE, INSIDE),
        ("0x7f000002", INSIDE),
        ("inside.example", INSIDE),
        ("[::1]", "[::1]"),
        ("[::ffff:127.0.0.2]", "[::ffff:7f00:2]"),
        ("0.0.0.0", "0.0.0.0"),
        ("169.254.169.254", "169.254.169.254"),
        ("[fe80::1]", "[fe80::1]"),
        ("10.0.0.1", "10.0.0.1"),
        ("192.168.1.1", "192.168.1.1"),
        ("100.64.0.1", "100.64.0.1"),
        ("[fd00::1]", "[fd00::1]"),
    ],
)
@pytest.mark.parametrize("hops", ["/to?", "/to?/to?"])
def test_a_redirect_to_an_address_inside_is_refused(outside: str, port: int, host: str, shown: str, hops: str) -> None:
    assert reason(f"{outside}{hops}http://{host}:{port}/clip.flac") == (
        f"The server redirects to {shown}:{port}, which is not a public address; "
        "a redirect from the internet into a private network is not followed."
    )


@pytest.mark.parametrize("host", ["2130706434", "0177.0.0.2", "127.2"])
def test_numbers_that_are_not_written_as_addresses_are_refused(outside: str, port: int, host: str) -> None:
    assert reason(f"{outside}/to?http://{host}:{port}/clip.flac") == "This is not a URL with a valid host."


def test_an_open_connection_inside_is_not_used_by_a_redirect(outside: str, port: int) -> None:
    inside = f"http://{INSIDE}:{port}/clip.flac"
    assert waveform(inside).duration_s == 2
    assert "not a public address" in reason(f"{outside}/to?{inside}")


def test_a_public_server_may_redirect_to_a_public_one(outside: str, port: int) -> None:
    assert waveform(f"{outside}/to?http://outside.example:{port}/to?/clip.flac").duration_s == 2


@pytest.mark.parametrize("url", ["/clip.flac", "/to?/clip.flac", "/to?http://[::1]:{port}/clip.flac"])
@pytest.mark.parametrize("host", [INSIDE, "[::1]", "inside.example"])
def test_what_is_written_inside_may_stay_inside(outside: str, port: int, host: str, url: str) -> None:
    assert waveform(f"http://{host}:{port}{url.format(port=port)}").duration_s == 2


def test_from_inside_to_outside_and_back_is_refused(outside: str, port: int) -> None:
    url = f"http://{INSIDE}:{port}/to?{outside}/to?http://{INSIDE}:{port}/clip.flac"
    assert "not a public address" in reason(url)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "134744072", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(host: str) -> None:
    assert public_address.is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "017700000001", "0x7f.1", "10.1.2.3", "172.16.0.1", "192.168.0.1"),
        *("169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "240.0.0.1"),
        *("::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "2002:7f00:1::"),
        *("64:ff9b::7f00:1", "2001:db8::1", "", "no address"),
    ],
)
def test_addresses_that_are_not_public(host: str) -> None:
    assert not public_address.is_public(host)
