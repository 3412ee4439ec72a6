"""The rows of a build in columns, and their BLOBs in a file: a million rows as Python objects would take gigabytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip

from .spill_file import SpilledClip, SpillFile
from .training_options import Example

_TEXTS = ("location", "failure", "text", "group")
_NUMBERS = np.dtype(
    [
        ("channel", np.int32),
        ("audio_track", np.int32),
        ("has_start", np.bool_),
        ("start_s", np.float64),
        ("has_stop", np.bool_),
        ("stop_s", np.float64),
        ("clamps_stop", np.bool_),
        ("position", np.int64),
        ("n_bytes", np.int64),
    ]
)
_NONE = -1
"""Stands for no channel, and for no BLOB."""
_NO_NUMBERS = (_NONE, 1, False, 0.0, False, 0.0, False, _NONE, 0)


class ExampleTable(Sequence[Example]):
    """Examples that were added by `add`, and can be read after `finish`.

    A row is added with its audio, its text and its group at once, so they cannot drift apart. Its BLOB goes to a spill
    file, and is read again by `Example.clip`.
    """

    def __init__(self, open_file: Callable[[], SpillFile]) -> None:
        """An empty table; `open_file` is called for the first BLOB."""
        self._open_file = open_file
        self._file: SpillFile | None = None
        self._lock = threading.Lock()
        self._chunks: list[tuple[list[pa.Array], NDArray[np.void]]] = []
        self._texts: list[pa.Array] = [pa.array([], pa.large_string())] * len(_TEXTS)
        self._numbers: NDArray[np.void] = np.empty(0, _NUMBERS)
        self._n_rows = 0
        self._has_groups = False

    def add(self, examples: Iterable[Example]) -> None:
        """Add rows; several threads may add at once.

        Args:
            examples: the rows; one at a time is held in memory. Either all rows of a table have a group, or none has.

        Raises:
            OSError: a BLOB does not fit on the disk.
        """
        texts: list[tuple[str | None, ...]] = []
        numbers: list[tuple[Any, ...]] = []
        for example in examples:
            location, failure, of_clip = self._columns(example.clip)
            self._has_groups = example.group is not None
            texts.append((location, failure, example.text, example.group[0] if example.group else None))
            numbers.append(of_clip)
        columns = [pa.array(column, pa.large_string()) for column in zip(*texts, strict=True)]
        with self._lock:
            self._n_rows += len(numbers)
            if numbers:
                self._chunks.append((columns, np.array(numbers, _NUMBERS)))

    def finish(self) -> None:
        """Join what was added into one array per column."""
        chunks, self._chunks = self._chunks, []
        if not chunks:
            return
        self._numbers = np.concatenate([self._numbers, *(numbers for _, numbers in chunks)])
        columns = [texts for texts, _ in chunks]
        del chunks
        for index in reversed(range(len(_TEXTS))):  # one column at a time exists twice
            self._texts[index] = pa.concat_arrays([self._texts[index], *(texts.pop() for texts in columns)])

    @property
    def has_groups(self) -> bool:
        """Whether its rows have groups."""
        return self._has_groups

    def close(self) -> None:
        """Remove the spill file; a second call does nothing."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._n_rows

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        numbers = self._numbers[index].item()  # IndexError beyond the end
        location, failure, text, group = (column[index].as_py() for column in self._texts)
        return Example(self._audio(location, failure, numbers), text, (group,) if self._has_groups else None)

    def _columns(self, audio: Clip | AudioFailure | None) -> tuple[str | None, str | None, tuple[Any, ...]]:
        """Location, failure and numbers of the audio of a row; writes its BLOB."""
        if not isinstance(audio, Clip):
            return None, audio.reason if audio is not None else None, _NO_NUMBERS
        position = _NONE if audio.data is None else self._spill(audio.data)
        numbers = (
            _NONE if audio.channel is None else audio.channel,
            audio.audio_track,
            audio.start_s is not None,
            audio.start_s or 0.0,
            audio.stop_s is not None,
            audio.stop_s or 0.0,
            audio.clamps_stop,
            position,
            len(audio.data or b""),
        )
        return audio.location, None, numbers

    def _audio(
        self, location: str | None, failure: str | None, numbers: tuple[Any, ...]
    ) -> Clip | SpilledClip | AudioFailure | None:
        if failure is not None:
            return AudioFailure(failure)
        if location is None:
            return None
        channel, audio_track, has_start, start_s, has_stop, stop_s, clamps_stop, position, n_bytes = numbers
        clip = Clip(
            location,
            channel=None if channel == _NONE else channel,
            start_s=start_s if has_start else None,
            stop_s=stop_s if has_stop else None,
            clamps_stop=clamps_stop,
            audio_track=audio_track,
        )
        if position == _NONE:
            return clip
        assert self._file is not None
        return SpilledClip(clip, self._file, position, n_bytes)

    def _spill(self, content: bytes) -> int:
        with self._lock:
            if self._file is None:
                self._file = self._open_file()
        return self._file.append(content)
