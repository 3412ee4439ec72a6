"""The memo keeps what is worth keeping, within its bytes."""

from __future__ import annotations

import tracemalloc

from thano_duckdb.speech.memo import Memo
from thano_duckdb.speech.transcript import Transcript, Word


def transcript(n_words: int, text: str = "WORD") -> Transcript:
    words = tuple(Word(f"{text}{index}", index / 3, index / 3 + 0.1, 0.5 + index / 1e6) for index in range(n_words))
    return Transcript(" ".join(word.word for word in words), 0.5, 1.0, words, None)


def test_what_was_put_is_there_again() -> None:
    memo, found = Memo(), transcript(3)
    memo.put(("model", "clip"), found)
    assert memo.get(("model", "clip")) is found
    assert memo.get(("other", "clip")) is None


def test_failures_are_not_kept() -> None:
    memo = Memo()
    memo.put("clip", Transcript.failed("It is missing."))
    assert memo.get("clip") is None


def test_the_oldest_goes_first_and_a_giant_is_not_kept() -> None:
    memo = Memo(max_bytes=20_000)
    for index in range(20):
        memo.put(index, transcript(4))
    assert memo.get(0) is None
    assert memo.get(19) is not None
    memo.put("giant", transcript(10_000))
    assert memo.get("giant") is None
    assert memo.get(19) is not None


def test_the_bound_is_in_bytes_of_memory() -> None:
    max_bytes = 2_000_000
    memo = Memo(max_bytes)
    tracemalloc.start()
    for index in range(3_000):
        memo.put(("fingerprint of a model", (f"/some/folder/clip{index}.flac", index, index)), transcript(10))
    used_bytes, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max_bytes / 3 < used_bytes < 1.2 * max_bytes
