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
    """The protocol of `url`, in lower case.

    Raises:
        UnreadableAudioError: it is not one that is fetched, or the URL is a chain.
    """
    protocol, separator, rest = url.partition("://")
    if not separator or "::" in protocol or _CHAIN.search(rest):
        raise UnreadableAudioError("URLs chained by '::' are not supported.")
    protocol = protocol.lower()
    if protocol not in WEB + STORES:
        raise UnreadableAudioError(
            f"The protocol {protocol[:40]}:// is not supported; use a path, http(s)://, s3://, gs://, az:// or hf://."
        )
    if protocol not in WEB and "::" in rest:
        raise UnreadableAudioError("URLs chained by '::' are not supported.")
    return protocol
