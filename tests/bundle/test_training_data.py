"""Which clips and sentences the small model is trained on, by the statements that select them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import thano_duckdb
from bundle import make_tiny_model
from bundle.gpu.pack import packed_clips
from thano_duckdb.speech.normalize import normalize

READERS = ("kathleen_arctic", "ljspeech_part1")
LIBRISPEECH = ("librispeech_test_clean", "librispeech_dev_clean_part", "librispeech_resemblyzer")
OTHERS = ("an4", "free_spoken_digits", "picovoice_coffee_commands", "picovoice_wake_words")
SENTENCES = [f"sentence {letter} as it is read aloud by {name}" for letter in "abcdefghij" for name in "pqrstuvwxyz"]


def write_manifest(folder: Path, rows: list[tuple[str, str, str, str, float]]) -> None:
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("audio_path", "text", "speaker", "split", "duration"), *rows])


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    folder = tmp_path / "corpora"
    for corpus in READERS:
        write_manifest(folder / corpus, [(f"{n}.flac", text, "x", "train", 3.0) for n, text in enumerate(SENTENCES)])
    for corpus in LIBRISPEECH:
        train = [(f"{n}.ogg", f"{corpus} TEXT {n}", str(n), "train", 4.0) for n in range(120)]
        test = [(f"test{n}.ogg", f"SOMETHING THAT ONLY TEST PEOPLE SAY {n}", "9999", "test", 4.0) for n in range(3)]
        write_manifest(folder / corpus, [*train, *test, ("long.ogg", "VERY LONG", "7777", "train", 30.0)])
    for corpus in OTHERS:
        write_manifest(
            folder / corpus, [("a.ogg", "YES", "x", "train", 1.0), ("b.ogg", "NO MANY THANKS", "y", "test", 1.0)]
        )
    (folder / "lm_text").mkdir()
    everyday = [
        "a good day to you",
        "well something that only test people say 1 indeed",
        "no many thanks",
        "he said no many thanks",
        "mister smith met mr jones",
        *(f"an everyday sentence number {n}" for n in range(10)),
    ]
    (folder / "lm_text" / "common_voice_sentences.txt").write_text("\n".join(everyday))
    (folder / "lm_text" / "novels.txt").write_text("".join(f"{text}\n" for text in SENTENCES))
    return folder


@pytest.fixture
def con(corpora: Path, tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    with make_tiny_model.connect(corpora, tmp_path / "work") as con:
        yield con


def training_clips(con: thano_duckdb.Connection, work: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    for folder in ("natural", "robotic"):
        write_manifest(work / folder, [("0.flac", "spoken by a machine", "", "", 1.0)])
    write_manifest(work / "more_robotic", [("0.flac", "spoken by a machine", "", "", 1.0)])
    clips = packed_clips(con, ["natural", "robotic"])
    monkeypatch.setattr(make_tiny_model, "_exists", lambda con, model: True)  # so nothing is trained
    make_tiny_model.finish(con)
    finishing = con.execute(
        "SELECT audio_path, text FROM finishing WHERE NOT contains(audio_path, 'robotic')"
    ).fetchall()
    assert 0 < len(finishing) < len(clips)
    return [(path, text) for part, _, path, text in clips if part == "train"] + finishing


def test_people_and_sentences_that_are_held_out_are_never_trained_on(
    con: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = training_clips(con, tmp_path / "work", monkeypatch)
    held_out = con.execute("SELECT corpus, audio_path, text FROM people WHERE part <> 'train'").fetchall()
    assert {path for path, _ in clips}.isdisjoint(path for _, path, _ in held_out)
    for reader in READERS:
        of_reader = {text for corpus, _, text in held_out if corpus == reader}
        assert 3 < len(of_reader) < 25  # one in ten
        assert of_reader.isdisjoint(text for _, text in clips)
    assert {corpus for corpus, _, text in held_out if "TEST PEOPLE" in text} == set(LIBRISPEECH)
    assert not any(path.endswith(("long.ogg", "b.ogg")) for path, _ in clips)
    machines = [path for path, text in clips if text == "spoken by a machine"]
    assert {f"{tmp_path}/work/{folder}/0.flac" for folder in ("natural", "robotic")} == set(machines)


def test_people_to_choose_by_are_few_and_wholly_apart(con: thano_duckdb.Connection) -> None:
    speakers = "SELECT part, list(DISTINCT speaker) FROM people WHERE corpus = 'librispeech_test_clean' GROUP BY part"
    parts = dict(con.execute(speakers).fetchall())
    assert 0 < len(parts["dev"]) < 15
    assert set(parts["dev"]).isdisjoint(parts["train"])


def test_no_machine_reads_a_held_out_sentence(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    lines = make_tiny_model.write_sentences(con, tmp_path / "work").read_text().splitlines()
    held_out = {text for (text,) in con.execute("SELECT text FROM test_sentences").fetchall()}
    assert {"a good day to you", "he said no many thanks"} < set(lines)
    assert "mister smith met mister jones" in lines
    assert held_out.isdisjoint(normalize(pa.array(lines)).to_pylist())
    assert not any("only test people say" in line for line in lines)
    kept = set(lines) & set(SENTENCES)
    assert len(SENTENCES) * 0.8 < len(kept) < len(SENTENCES)
    assert lines == make_tiny_model.write_sentences(con, tmp_path / "work").read_text().splitlines()
