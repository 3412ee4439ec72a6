"""The tables, files and models that the code of the pages uses, with short clips, so that a page runs in seconds."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import thano_duckdb
from tests.training.encoders import write_spoken
from thano_duckdb.models.bundled import dataset_folder

from .models import SmallModels

RATE_HZ = 16_000
KOREAN = (
    "나가자",
    "하나 다",
    "바다 가자",
    "모자 사자",
    "고모 나가",
    "다하자",
    "오다 가다",
    "나라 하나",
    "노도 오소",
    "바다",
)
CHINESE = ("今天天气很好", "我们去公园", "你好我们", "天气很好")


def mentions(code: str, name: str) -> bool:
    """Whether code uses a table, model or file of that name, and does not make it itself."""
    used = rf"(?<![\w'/.]){re.escape(name)}(?![\w'/.])" if re.fullmatch(r"\w+", name) else re.escape(name)
    made = rf"(TABLE|MODEL) {re.escape(name)}\b"
    return re.search(used, code) is not None and re.search(made, code) is None


def sentences() -> list[tuple[Path, str]]:
    """The clips that ship with the package, with their texts."""
    folder = dataset_folder("librispeech_data")
    with (folder / "librispeech_test.csv").open(encoding="utf-8", newline="") as file:
        return [(folder / Path(row["audio_path"]).name, row["text"]) for row in csv.DictReader(file)]


def _samples(clip: int) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(sentences()[clip][0])
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float32)


def _joined(duration_s: float) -> NDArray[np.float32]:
    """Sentences one after the other."""
    clips: list[NDArray[np.float32]] = []
    while sum(map(len, clips)) < duration_s * RATE_HZ:
        clips.append(_samples(len(clips)))
    return np.concatenate(clips)


class World:
    """Fills the working folder and the connection with what the code of a page needs.

    Args:
        con: where the tables are made.
        folder: the working folder.
        models: that are uploaded under the names of the page.
        code: of the page.
    """

    def __init__(self, con: thano_duckdb.Connection, folder: Path, models: SmallModels, code: str) -> None:
        self._con = con
        self._folder = folder
        self._models = models
        self._code = code

    def fill(self) -> None:
        """Make everything."""
        self._recordings()
        makers: dict[str, Callable[[], Any]] = {
            "calls": self._calls,
            "invoices": lambda: self._table(
                "invoices", "SELECT call_id, 'Pierre' AS customer, 'Zoë' AS agent FROM calls"
            ),
            "transcripts": self._transcripts,
            "transcribed_calls": lambda: self._english("transcribed_calls", 16),
            "held_out_calls": lambda: self._english("held_out_calls", 4),
            "clips": lambda: self._english("clips", 8),
            "test_set": self._test_set,
            "recordings": lambda: self._spoken("recordings", KOREAN * 2),
            "other_recordings": lambda: self._spoken("other_recordings", KOREAN),
            "korean_clips": lambda: self._spoken("korean_clips", KOREAN),
            "tickets": lambda: self._texts("tickets", "text"),
            "mails": lambda: self._texts("mails", "body"),
            "part-*.parquet": self._parquet,
            "data/*/part-*.parquet": self._parquet_beside_audio,
            "corpus.parquet": self._corpus,
            "recordings/manifest.csv": self._manifest,
            "meeting.flac": lambda: soundfile.write("meeting.flac", _joined(32), RATE_HZ),
            "talk.flac": lambda: soundfile.write("talk.flac", _joined(8), RATE_HZ),
            "sentences.txt": lambda: Path("sentences.txt").write_text("\n".join(text for _, text in sentences())),
            "models/xls-r-300m": lambda: shutil.copytree(self._models.encoder, "models/xls-r-300m"),
            "my_model": lambda: self._con.execute(f"UPLOAD MODEL my_model FROM '{self._models.recognizer}'"),
            "language_model='support_calls'": self._language_model,
            "ko": lambda: self._trained("ko"),
            "zh": lambda: self._trained("zh"),
        }
        for name, make in makers.items():
            if mentions(self._code, name):
                make()

    def _recordings(self) -> None:
        """Two clips; where the page is about such files, a call with a speaker on each channel, and a broken file."""
        folder = self._folder / "recordings"
        folder.mkdir()
        for clip in (1, 2):
            shutil.copy(sentences()[clip][0], folder / f"{clip}.flac")
        if "channel='each'" in self._code:
            speakers = [_samples(3), _samples(4)]
            longest = max(map(len, speakers))
            call = np.stack([np.pad(samples, (0, longest - len(samples))) for samples in speakers], axis=1)
            soundfile.write(folder / "3.wav", call, RATE_HZ)
        if "error IS NOT NULL" in self._code:
            (folder / "4.wav").write_bytes(b"RIFF")

    def _table(self, name: str, query: str) -> None:
        self._con.execute(f"CREATE TABLE {name} AS {query}")

    def _rows(self, name: str, clips: Sequence[tuple[Any, str]]) -> None:
        """A table of clips; ten speakers take turns."""
        self._con.execute(f"CREATE TABLE {name} (audio_path VARCHAR, text VARCHAR, speaker VARCHAR)")
        rows = [[str(path), text, f"speaker {row % 10}"] for row, (path, text) in enumerate(clips)]
        self._con.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)

    def _english(self, name: str, n_clips: int) -> None:
        self._rows(name, sentences()[:n_clips])

    def _spoken(self, name: str, texts: Sequence[str]) -> None:
        examples = write_spoken(self._folder / f"{name}_clips", texts)
        self._rows(name, [(example.audio, text) for example, text in zip(examples, texts, strict=True)])

    def _test_set(self) -> None:
        if mentions(self._code, "zh"):
            self._spoken("test_set", CHINESE)
        else:
            self._english("test_set", 4)

    def _trained(self, name: str) -> None:
        """A model that was trained for a moment on the texts of the test set."""
        options = "OPTIONS (epochs=1) AS SELECT audio_path, text FROM test_set"
        self._con.execute(f"BUILD MODEL {name} USING '{self._models.encoder}' {options}")

    def _calls(self) -> None:
        self._table(
            "calls",
            "SELECT row_number() OVER () AS call_id, audio_path, duration, ['kor', 'deu', NULL][call_id] AS lang "
            "FROM thano_audio('recordings')",
        )

    def _invoices(self) -> None:
        self._table("invoices", "SELECT call_id, 'Pierre' AS customer, 'Zoë' AS agent FROM calls")

    def _transcripts(self) -> None:
        if "INSERT INTO transcripts" in self._code:
            self._table("transcripts", "SELECT *, 'HELLO' AS predicted FROM calls WHERE audio_path LIKE '%1.flac'")
        else:
            self._con.execute("CREATE TABLE transcripts (text VARCHAR, predicted VARCHAR)")
            self._con.executemany(
                "INSERT INTO transcripts VALUES (?, ?)", [[text, text[1:]] for _, text in sentences()]
            )

    def _texts(self, name: str, column: str) -> None:
        self._con.execute(f"CREATE TABLE {name} ({column} VARCHAR)")
        self._con.executemany(f"INSERT INTO {name} VALUES (?)", [[text] for _, text in sentences()])

    def _language_model(self) -> None:
        self._texts("sentences_of_calls", "text")
        self._con.execute("BUILD LANGUAGE MODEL support_calls AS FROM sentences_of_calls")

    def _parquet(self) -> None:
        """As Hugging Face's `datasets` writes it: the content of the file in a struct."""
        self._con.execute("CREATE TABLE datasets (audio STRUCT(bytes BLOB, path VARCHAR), transcription VARCHAR)")
        rows = [[{"bytes": path.read_bytes(), "path": path.name}, text] for path, text in sentences()[:6]]
        self._con.executemany("INSERT INTO datasets VALUES (?, ?)", rows)
        for name in ("part-0", "train-0"):
            self._con.execute(f"COPY datasets TO '{name}.parquet'")

    def _parquet_beside_audio(self) -> None:
        folder = self._folder / "data" / "en"
        folder.mkdir(parents=True)
        shutil.copy(sentences()[0][0], folder / "clip.flac")
        row = "{'bytes': NULL::BLOB, 'path': 'clip.flac'} AS audio"
        self._con.execute(f"COPY (SELECT {row}) TO '{folder}/part-0.parquet'")

    def _corpus(self) -> None:
        self._english("_corpus", 4)
        self._con.execute("COPY _corpus TO 'corpus.parquet'")

    def _manifest(self) -> None:
        with (self._folder / "recordings" / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("audio_path", "text"), *((f"{clip}.flac", sentences()[clip][1]) for clip in (1, 2))]
            )
