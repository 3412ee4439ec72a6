"""Passwords, keys and signatures replaced by `***`: in what is kept of a statement, in warnings and in errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(
    r"signature|sig$|token|secret|passw(?:or)?d|pwd$|credential|access_?key|api[_-]?key|key[_-]?id|sas$|connection_string",
    re.IGNORECASE,
)
_STRING = r"""'(?:[^']|'')*'?|"[^"]*"?"""
# Lengths are limited so that a long text takes no longer than its length.
_PATTERNS = (
    # https://user:password@host: everything up to the last `@` before the path
    re.compile(r"(?P<kept>[A-Za-z][A-Za-z0-9+.-]{0,20}://)(?P<secret>[^\s/'\"]+)(?=@)"),
    # https://host/clip.wav?X-Amz-Signature=..&token=..
    re.compile(r"(?P<kept>[?&;](?P<name>[\w.-]{1,60})=)(?P<secret>[^&\s'\"#]+)"),
    # {"token": ".."}
    re.compile(rf"""(?P<kept>["'](?P<name>[\w.-]{{1,60}})["']\s{{0,9}}:\s{{0,9}})(?P<secret>{_STRING})"""),
    # CREATE SECRET s (TYPE s3, KEY_ID 'AKIA..', SECRET '..'), and password = '..'
    re.compile(rf"(?P<kept>(?<![\w.-])(?P<name>[\w.-]{{1,60}})\s{{0,9}}(?:=>|:=|=|:|)\s{{0,9}})(?P<secret>{_STRING})"),
)


def mask_secrets(text: str) -> str:
    """`text` with the passwords and signatures of its URLs, and the secrets of its SQL, replaced by `***`.

    >>> from thano_duckdb.masking import mask_secrets
    >>> mask_secrets("s3://b/a.wav?X-Amz-Signature=0a1b&part=2")
    's3://b/a.wav?X-Amz-Signature=***&part=2'
    >>> mask_secrets("CREATE SECRET mine (TYPE s3, KEY_ID 'AKIA', SECRET 'x''y')")
    "CREATE SECRET mine (TYPE s3, KEY_ID '***', SECRET '***')"
    """
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def masked(value: Any) -> Any:
    """The same for every text within lists and dicts."""
    match value:
        case str():
            return mask_secrets(value)
        case Mapping():
            return {name: masked(each) for name, each in value.items()}
        case list() | tuple():
            return [masked(each) for each in value]
        case _:
            return value


def _masked(found: re.Match[str]) -> str:
    if not _SECRET_NAME.search(found.groupdict().get("name", "token")):
        return found[0]
    secret = found["secret"]
    quote = secret[0] if secret[0] in "'\"" else ""
    return f"{found['kept']}{quote}{MASK}{quote}"
