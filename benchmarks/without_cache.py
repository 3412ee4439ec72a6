"""Switches the cache of transcripts off, so that what is timed is also computed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from thano_duckdb.speech.cache import MemoryCache, NoCache


def without_cache() -> AbstractContextManager[Any]:
    """A context in which no transcript is found in the cache; each is still stored, since that takes time too.

    A plain function replaces the cache's, not a `Mock`, which would keep a kilobyte of every call's arguments.
    """
    return mock.patch.object(MemoryCache, "get_many", NoCache.get_many)
