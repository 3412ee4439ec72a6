"""Which URLs are fetched. A path in a column of data must not be able to run code or to open a local file in disguise.

fsspec, which fetches, knows dozens of protocols. Some open local files (`local`, `zip`, `tar`), one runs templates
that the file itself holds (`reference`), and `a::b` chains them. So the protocols are listed here, and chains refused.
"""

from __future__ import annotations

import re

from .failure import UnreadableAudioError

WEB = ("http", "https")
STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "hf")
"""Object stores, each through its own package."""

# In a query string, `::` is text; in front of another address it would be a chain.
_CHAIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://|::[A-Za-z][A-Za-z0-9+.\-]*(?:://|::)")


def protocol_of(url: str) -> str:
    """The protocol of `url`, in lower case, whether it is one that is fetched or not.

    Raises:
        UnreadableAudioError: this is no URL, or a chain of them.
    """
    protocol, separator, rest = url.partition("://")
    protocol = protocol.lower()
    is_chain = "::" in protocol or _CHAIN.search(rest) or ("::" in rest and protocol not in WEB)
    if not separator or is_chain:
        raise UnreadableAudioError("URLs chained by '::' are not supported.")
    return protocol


def check_supported(protocol: str) -> None:
    """Refuse a protocol that our own clients do not fetch.

    Raises:
        UnreadableAudioError: it is one of those.
    """
    if protocol not in WEB + STORES:
        raise UnreadableAudioError(
            f"The protocol {protocol[:40]}:// is not supported; use a path, http(s)://, s3://, gs://, az:// or hf://."
        )
