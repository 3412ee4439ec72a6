"""The settings that `SET thano_<name> = value` changes: options of PREDICT that `connect` takes too."""

from __future__ import annotations

from .errors import ThanoError, brief, did_you_mean
from .option import Option, StatementKind
from .options import find_option

PREFIX = "thano_"

SETTINGS = (
    "cache",
    "cache_max_bytes",
    "cluster",
    "device",
    "max_bytes",
    "max_duration",
    "precision",
    "timeout",
    "workers",
)
"""Without the prefix; each is a field of `connection.session.Settings`."""


def find_setting(name: str) -> Option:
    """The option of PREDICT whose default for a connection is the setting `name`, without its prefix.

    Raises:
        ThanoError: there is no such setting; the text says which there are.
    """
    if name not in SETTINGS:
        near = did_you_mean(PREFIX + name, [PREFIX + each for each in SETTINGS])
        listed = f" The settings are {', '.join(PREFIX + each for each in SETTINGS)}."
        raise ThanoError(f"there is no setting {brief(PREFIX + name)}.{near or listed}")
    return find_option(StatementKind.PREDICT, name)
