"""The rows of a build in columns, and their BLOBs in a file: a million rows as Python objects would take gigabytes."""

from __future__ import annotations

import struct
import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, overload

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip

from .spill_file import SpilledClip, SpillFile
from .training_options import Example

_NUMBERS = struct.Struct("=ii?d?d?qq")
"""Of a clip: channel, audio track, whether it has a start, the start, whether it has a stop, the stop, whether the stop
is clamped, position and size of its BLOB in the file."""
_NONE = -1
"""Stands for no channel, and for no BLOB."""
_NO_NUMBERS = _NUMBERS.pack(_NONE, 1, False, 0, False, 0, False, _NONE, 0)


class _TextColumn:
    """Texts and NULLs, as bytes one after the other."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("q", [0])
        self._is_null = bytearray()

    def append(self, text: str | None) -> None:
        if text is not None:
            self._content += text.encode()
        self._ends.append(len(self._content))
        self._is_null.append(text is None)

    def __getitem__(self, index: int) -> str | None:
        if self._is_null[index]:
            return None
        return self._content[self._ends[index] : self._ends[index + 1]].decode()


class ExampleTable(Sequence[Example]):
    """Examples that were added by `add`.

    A row is added with its audio, its text and its group at once, so they cannot drift apart. Its BLOB goes to a spill
    file, and is read again by `Example.clip`.
    """

    def __init__(self, open_file: Callable[[], SpillFile]) -> None:
        """An empty table; `open_file` is called for the first BLOB."""
        self._open_file = open_file
        self._file: SpillFile | None = None
        self._lock = threading.Lock()
        self._texts = [_TextColumn() for _ in range(4)]  # location, failure, text, group
        self._numbers = bytearray()
        self._n_rows = 0
        self._has_groups = False

    def add(self, examples: Iterable[Example]) -> None:
        """Add rows; several threads may add at once.

        Args:
            examples: the rows; one at a time is held in memory. Either all rows of a table have a group, or none has.

        Raises:
            OSError: a BLOB does not fit on the disk.
        """
        rows = [self._columns(example) for example in examples]
        with self._lock:
            for numbers, *texts in rows:
                self._numbers += numbers
                for column, text in zip(self._texts, texts, strict=True):
                    column.append(text)
            self._n_rows += len(rows)

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
        index = range(len(self))[index]  # IndexError beyond the end
        location, failure, text, group = (column[index] for column in self._texts)
        numbers = _NUMBERS.unpack_from(self._numbers, index * _NUMBERS.size)
        return Example(self._audio(location, failure, numbers), text, (group,) if self._has_groups else None)

    def _columns(self, example: Example) -> tuple[bytes, str | None, str | None, str | None, str | None]:
        """Numbers, location, failure, text and group of a row; writes its BLOB."""
        audio, group = example.clip, example.group[0] if example.group else None
        self._has_groups = example.group is not None
        if not isinstance(audio, Clip):
            return _NO_NUMBERS, None, audio.reason if audio is not None else None, example.text, group
        numbers = _NUMBERS.pack(
            _NONE if audio.channel is None else audio.channel,
            audio.audio_track,
            audio.start_s is not None,
            audio.start_s or 0,
            audio.stop_s is not None,
            audio.stop_s or 0,
            audio.clamps_stop,
            _NONE if audio.data is None else self._spill(audio.data),
            len(audio.data or b""),
        )
        return numbers, audio.location, None, example.text, group

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
