"""Whether an address belongs to the public internet."""

from __future__ import annotations

import ipaddress
import socket


def is_public(host: str) -> bool:
    """Whether an IP address, in any spelling that a socket takes, can be reached by everyone.

    Not public are loopback, private and link-local addresses, and every other that is reserved. An IPv6 address that
    holds an IPv4 address is judged by that one.

    >>> is_public("8.8.8.8"), is_public("127.0.0.1"), is_public("2130706433"), is_public("::ffff:10.0.0.1")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])  # without the zone of a link-local address
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # decimal, octal, hexadecimal
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address):
        held = address.ipv4_mapped or address.sixtofour or _nat64(address)
        address = held or address
    return address.is_global and not address.is_multicast


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in one of `64:ff9b::/96` (RFC 6052)."""
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
