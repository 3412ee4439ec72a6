"""What is timed is computed: the memo of transcripts is out of the way."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from thano_duckdb.speech.cache import MemoryCache


def without_memo() -> AbstractContextManager[Any]:
    """A context in which no transcript is remembered; each is still written down, as it costs.

    A function takes the place of the memo's, not a `Mock`, which would keep a kilobyte of every call's arguments.
    """
    return mock.patch.object(MemoryCache, "get", _nothing)


def _nothing(_cache: MemoryCache, _key: Hashable) -> None:
    return None
