"""Names of models: identifiers, never paths."""

from __future__ import annotations

import re
import unicodedata

from thano_duckdb.errors import RegistryError

MAX_NAME_LENGTH = 100

_NAME = re.compile(r"[\w-][\w.-]*")


def is_name(text: str) -> bool:
    """Whether `text` can name a model: letters, digits, `_`, `-`, `.`, not starting with `.`."""
    text = unicodedata.normalize("NFC", text)
    return bool(_NAME.fullmatch(text)) and len(text) <= MAX_NAME_LENGTH


def check_name(text: str) -> str:
    """The name in its normal form (Unicode NFC).

    Raises:
        RegistryError: it is not a name.
    """
    if not is_name(text):
        raise RegistryError(
            f"'{text}' is not a name for a model: use up to {MAX_NAME_LENGTH} letters, digits, '_', '-' and '.', not "
            f"starting with '.'"
        )
    return unicodedata.normalize("NFC", text)


def same_name(one: str, other: str) -> bool:
    """Whether two names mean the same model: neither the case matters, nor how an accent is encoded."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def split_version(spec: str) -> tuple[str, int | None]:
    """`name@2` is (name, 2), `name` is (name, None)."""
    name, at, version = spec.rpartition("@")
    if at and version.isascii() and version.isdigit():
        return name, int(version)
    return spec, None
