"""Transcripts as DuckDB gets them: a struct for each clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from thano_duckdb.speech.transcript import WORD_RECORD, Transcript, Words

WORD = pa.struct(
    [
        pa.field("word", pa.string()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("confidence", pa.float64()),
    ]
)
ALTERNATIVE = pa.struct([pa.field("text", pa.string()), pa.field("score", pa.float64())])
HOTWORD = pa.struct(
    [
        pa.field("hotword", pa.string()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("problem", pa.string()),
    ]
)
TRANSCRIPT = pa.struct(
    [
        pa.field("text", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("duration", pa.float64()),
        pa.field("words", pa.list_(WORD)),
        pa.field("error", pa.string()),
        pa.field("alternatives", pa.list_(ALTERNATIVE)),
        pa.field("hotwords", pa.list_(HOTWORD)),
    ]
)


def to_arrow(transcripts: Sequence[Transcript | None]) -> pa.Array:
    """`TRANSCRIPT` structs; None gives NULL."""
    present = [transcript for transcript in transcripts if transcript is not None]
    structs = pa.StructArray.from_arrays(
        [
            pa.array([transcript.text for transcript in present], pa.string()),
            pa.array([transcript.confidence for transcript in present], pa.float64()),
            pa.array([transcript.duration_s for transcript in present], pa.float64()),
            _word_lists([transcript.words for transcript in present]),
            pa.array([transcript.error for transcript in present], pa.string()),
            _lists(
                [transcript.alternatives for transcript in present],
                lambda found: {"text": found.text, "score": found.score},
                ALTERNATIVE,
            ),
            _lists(
                [transcript.hotwords for transcript in present],
                lambda found: {
                    "hotword": found.hotword,
                    "start": found.start_s,
                    "end": found.end_s,
                    "problem": found.problem,
                },
                HOTWORD,
            ),
        ],
        fields=list(TRANSCRIPT),
    )
    if len(present) == len(transcripts):
        return structs
    positions = iter(range(len(present)))
    return structs.take(pa.array([None if t is None else next(positions) for t in transcripts], pa.int64()))


def _word_lists(clips: Sequence[Words | None]) -> pa.ListArray:
    """A list of `WORD` structs for each clip."""
    present = [words for words in clips if words is not None]
    records = np.frombuffer(b"".join([words.records for words in present]), WORD_RECORD)
    words = pa.StringArray.from_buffers(
        len(records),
        pa.py_buffer(_offsets(records["n_bytes"])),
        pa.py_buffer(b"".join([words.utf8 for words in present])),
    )
    numbers = [pa.array(records[name]) for name in ("start_s", "end_s", "confidence")]
    return pa.ListArray.from_arrays(
        pa.array(_offsets([0 if words is None else len(words) for words in clips])),
        pa.StructArray.from_arrays([words, *numbers], fields=list(WORD)),
        mask=pa.array([words is None for words in clips], pa.bool_()),
    )


def _lists(
    clips: Sequence[tuple[Any, ...] | None], as_dict: Callable[[Any], dict[str, Any]], kind: pa.DataType
) -> pa.Array:
    """A list of structs for each clip, or NULL."""
    if not any(clips):
        return pa.array([None if found is None else [] for found in clips], pa.list_(kind))
    return pa.array([None if found is None else list(map(as_dict, found)) for found in clips], pa.list_(kind))


def _offsets(lengths: ArrayLike) -> NDArray[np.int32]:
    """Where each of several adjacent items starts, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
