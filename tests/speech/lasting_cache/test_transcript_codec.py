"""Rows that are no transcripts are refused, and never become one that Arrow or DuckDB cannot hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.speech.lasting_cache.kit import RICH
from thano_duckdb.speech.lasting_cache.transcript_codec import (
    TranscriptRow,
    checksum,
    from_row,
    from_trusted_row,
    to_row,
)
from thano_duckdb.speech.transcript import WORD_RECORD, Transcript


def records(*n_bytes: int) -> bytes:
    return np.array([(n, 0.0, 1.0, 0.5) for n in n_bytes], WORD_RECORD).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"text": None},
        {"text": b"ONE"},
        {"confidence": "high"},
        {"duration_s": "long"},
        {"words_utf8": None},
        {"words": b"12"},
        {"words": "ONE"},
        {"words": records(3, 4)},
        {"words": records(3, 2)},
        {"words": records(-1, 7)},
        {"words": records(2_000_000_000, 3)},
        {"words": b""},
        {"words_utf8": b"ONET\xffO"},
        {"words_utf8": "ONéTO".encode(), "words": records(3, 3)},
        {"more": "{{"},
        {"more": "[1]"},
        {"more": '{"alternatives": 3}'},
        {"more": '{"alternatives": [["ONE", "likely"]]}'},
        {"more": '{"alternatives": [["ONE"]]}'},
        {"more": '{"hotwords": [[1, 0.5, 0.5, null]]}'},
        {"more": '{"hotwords": [["two", "now", 0.5, null]]}'},
        {"more": '{"mix_problem": "none"}'},
    ],
)
def test_a_row_that_is_no_transcript_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_row(to_row(RICH)._replace(**change))


def test_checksums_stay_those_of_the_stores_that_exist() -> None:
    assert checksum(to_row(RICH), b"key") == 2690659612
    assert checksum(TranscriptRow("한", None, None, None, None, None), b"a", b"b") == 1069300451


def test_a_row_whose_checksum_is_right_gives_the_transcript_that_was_kept() -> None:
    for transcript in (RICH, RICH._replace(words=None, hotwords=None, mix_problem=None), Transcript("", *[None] * 4)):
        assert from_trusted_row(to_row(transcript)) == from_row(to_row(transcript)) == transcript


def test_the_checksum_differs_with_any_column_or_key() -> None:
    row = to_row(RICH)
    changes: list[dict[str, Any]] = [
        {"text": "X"}, {"confidence": 0.5}, {"duration_s": 2.0}, {"words_utf8": b"X"}, {"words": b"X"}, {"more": "X"},
    ]  # fmt: skip
    changed = [row._replace(**change) for change in changes]
    sums = [checksum(row, b"key"), checksum(row, b"kez"), *(checksum(each, b"key") for each in changed)]
    assert len(set(sums)) == len(sums)


def test_the_checksum_does_not_depend_on_how_a_number_is_held() -> None:
    of_numpy = Transcript("X", np.float64(0.5), -0.0, None, None)
    assert checksum(to_row(of_numpy)) == checksum(TranscriptRow("X", 0.5, 0.0, None, None, None))
