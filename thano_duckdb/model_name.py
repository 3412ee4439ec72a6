"""Names of models: identifiers, never paths."""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_LENGTH = 100
MAX_VERSION_DIGITS = 9
NAME_RULE = f"up to {MAX_NAME_LENGTH} letters, digits, '_', '-' and '.', the first not a '.'"
"""How a name is written, for messages."""

_NAME = re.compile(r"[\w-][\w.-]*")


def is_name(text: str) -> bool:
    """Whether `text` can name a model: see `NAME_RULE`."""
    text = normal_form(text)
    return bool(_NAME.fullmatch(text)) and len(text) <= MAX_NAME_LENGTH


def normal_form(name: str) -> str:
    """The name in Unicode's normal form C, in which its folder is written."""
    return unicodedata.normalize("NFC", name)


def same_name(one: str, other: str) -> bool:
    """Whether two names mean the same model: neither the case matters, nor how an accent is encoded."""
    return normal_form(one).casefold() == normal_form(other).casefold()


def split_version(spec: str) -> tuple[str, int | None]:
    """`name@2` is (name, 2), `name` is (name, None)."""
    name, at, version = spec.rpartition("@")
    if at and version.isascii() and version.isdigit() and len(version) <= MAX_VERSION_DIGITS:
        return name, int(version)
    return spec, None
