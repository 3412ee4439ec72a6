"""Rows come back from the columns of a table as they went in, and their BLOBs are not in memory."""

from __future__ import annotations

import math
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.training.example_table import ExampleTable
from thano_duckdb.training.spill_file import SpillFile
from thano_duckdb.training.training_options import Example


def open_file() -> SpillFile:
    return SpillFile(tempfile.TemporaryFile(buffering=0))


CLIPS = [
    Clip("a.wav"),
    Clip("", channel=0, audio_track=3),
    Clip("\u00fc.flac", start_s=0.0, stop_s=1.5),
    Clip("a.wav", stop_s=2.5, clamps_stop=True),
    Clip("a.wav", start_s=math.inf, stop_s=-1.0),
    Clip("<blob of 4 bytes>", data=b"RIFF"),
    Clip("name.mp3", data=b"", channel=2, start_s=1.0),
]


@pytest.mark.parametrize("group", [None, ("ann",), (None,)])
def test_rows_come_back_as_they_were_added(group: tuple[str | None] | None) -> None:
    examples = [Example(clip, f"text {index}", group) for index, clip in enumerate(CLIPS)]
    examples += [Example(None, "no audio", group), Example(AudioFailure("It is bad."), None, group)]
    with ExampleTable(open_file) as table:
        table.add(examples[:4])
        table.add([])
        table.add(examples[4:])
        assert len(table) == len(examples)
        assert [(each.clip, each.text, each.group) for each in table] == [
            (each.clip, each.text, each.group) for each in examples
        ]
        assert [each.location for each in table][:2] == ["a.wav", ""]
        assert table[-2].location == "NULL"
        assert table[1:3] == [table[1], table[2]]


def test_a_start_that_is_not_a_number_stays_one() -> None:
    with ExampleTable(open_file) as table:
        table.add([Example(Clip("a.wav", start_s=math.nan), "a")])
        clip = table[0].clip
    assert isinstance(clip, Clip)
    assert clip.start_s is not None
    assert math.isnan(clip.start_s)


def test_rows_that_several_threads_add_keep_audio_text_and_group_together() -> None:
    def rows(thread: int) -> Iterator[Example]:
        for index in range(2_000):
            name = f"{thread}-{index}"
            audio = Clip.of(name.encode() * (1 + index % 7)) if index % 2 else Clip(name)
            yield Example(audio, name, (name,))

    with ExampleTable(open_file) as table:
        threads = [threading.Thread(target=table.add, args=(rows(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({each.text for each in table}) == len(table) == 16_000
        for example in table:
            clip = example.clip
            assert isinstance(clip, Clip)
            assert example.text is not None
            assert example.group == (example.text,)
            content = clip.location.encode() if clip.data is None else clip.data
            assert content == example.text.encode() * (len(content) // len(example.text))


def test_blobs_are_not_in_memory() -> None:
    n_bytes, n_rows = 1_000_000, 100
    tracemalloc.start()
    try:
        with ExampleTable(open_file) as table:
            table.add(Example(Clip.of(bytes([number]) * n_bytes), "a") for number in range(n_rows))
            assert [example.clip.data[:1] for example in table] == [bytes([number]) for number in range(n_rows)]  # type: ignore[union-attr,index]
            _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10 * n_bytes


def test_a_file_that_did_not_fit_leaves_what_was_written_before(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as opened:
        file = SpillFile(opened)
        assert (file.append(b"abc"), file.append(b""), file.append(b"defg")) == (0, 3, 3)
        write, left = opened.write, [2]

        class OneByteAtATime:
            """Writes less than it is given, as a disk that is nearly full, and then nothing."""

            seek, tell, readinto, close = opened.seek, opened.tell, opened.readinto, opened.close

            def write(self, content: memoryview) -> int:
                if not left[0]:
                    raise OSError(28, "No space left on device")
                left[0] -= 1
                return write(content[:1])

        file._file = OneByteAtATime()  # type: ignore[assignment]
        with pytest.raises(OSError, match="No space left"):
            file.append(b"hijk")
        left[0] = 9
        assert file.append(b"lm") == 7
        assert bytes(file.read(3, 4) + file.read(0, 3) + file.read(7, 2)) == b"defgabclm"
        with pytest.raises(OSError, match="ends 1 bytes before"):
            file.read(7, 3)
