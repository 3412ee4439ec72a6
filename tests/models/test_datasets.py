"""The data sets of the tutorial and of the lesson on telephones, and how GET copies them without harming files."""

from __future__ import annotations

import csv
import errno
import shutil
from pathlib import Path

import pytest
import soundfile

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb import ThanoError
from thano_duckdb.models.bundled import dataset_folder

SHIPPED = dataset_folder("librispeech_data")
FOLDER = Path("tutorial_data/librispeech_data")
TELEPHONE_FOLDER = Path("tutorial_data/telephone_data")
GET = "GET THANOSQL DATASET librispeech_data"


def rows(table: str) -> list[dict[str, str]]:
    with (SHIPPED / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_data_set_is_a_hundred_short_clips() -> None:
    clips = sorted(SHIPPED.glob("*.flac"))
    assert [clip.name for clip in clips] == [f"{index:03}.flac" for index in range(100)]
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 6_000_000
    for clip in clips:
        info = soundfile.info(clip)
        assert (info.samplerate, info.channels, info.format) == (16_000, 1, "FLAC")
        assert 1 < info.duration < 6


def test_the_tables_hold_every_clip_with_its_sentence() -> None:
    train, test = rows("librispeech_train.csv"), rows("librispeech_test.csv")
    assert [list(row) for row in (train[0], test[0])] == [["audio_path", "text"]] * 2
    assert (len(train), len(test)) == (80, 20)
    assert [row["audio_path"] for row in train + test] == [str(FOLDER / f"{index:03}.flac") for index in range(100)]
    sentences = (REPOSITORY / "bundle" / "tutorial_sentences.txt").read_text(encoding="utf-8").splitlines()
    assert [row["text"] for row in train + test] == sentences
    assert len(set(sentences)) == 100
    for sentence in sentences:
        assert sentence.replace(" ", "").isalpha()
        assert 4 <= len(sentence.split()) <= 11


def test_get_copies_the_clips_to_the_paths_in_the_tables(con: thano_duckdb.Connection, here: Path) -> None:
    ((name, kind, path, _),) = con.sql(GET).fetchall()
    assert (name, kind, path) == ("librispeech_data", "audio", str(here / FOLDER))
    assert content(here / FOLDER) == content(SHIPPED)
    con.execute(f"COPY clips OPTIONS (overwrite=True) FROM '{FOLDER}/librispeech_test.csv'")
    infos = con.sql("SELECT thano_audio_info(audio_path) FROM clips").fetchall()
    assert [info["error"] for (info,) in infos] == [None] * 20


def test_list_shows_the_data_sets(con: thano_duckdb.Connection) -> None:
    assert con.sql("SELECT name, data_type, path FROM (LIST THANOSQL DATASET)").fetchall() == [
        ("librispeech_data", "audio", str(FOLDER)),
        ("telephone_data", "audio", str(TELEPHONE_FOLDER)),
    ]


def test_the_telephone_clips_are_the_tutorials_as_a_mobile_phone_transmits_them(
    con: thano_duckdb.Connection, here: Path
) -> None:
    con.execute("GET THANOSQL DATASET telephone_data")
    shipped = dataset_folder("telephone_data")
    assert content(here / TELEPHONE_FOLDER) == content(shipped)
    assert sum(path.stat().st_size for path in shipped.iterdir()) <= 500_000
    for part in ("train", "test"):
        with (shipped / f"telephone_{part}.csv").open(encoding="utf-8", newline="") as file:
            clips = list(csv.DictReader(file))
        assert [clip["text"] for clip in clips] == [row["text"] for row in rows(f"librispeech_{part}.csv")]
        for clip in clips:
            info = soundfile.info(here / clip["audio_path"])
            of_tutorial = soundfile.info(SHIPPED / f"{Path(clip['audio_path']).stem}.flac")
            assert (info.samplerate, info.subtype) == (8_000, "GSM610")
            assert info.duration == pytest.approx(of_tutorial.duration, abs=0.09)  # blocks of 40 ms


def test_existing_files_of_the_same_content_are_left_alone(con: thano_duckdb.Connection, here: Path) -> None:
    con.execute(GET)
    (here / FOLDER / "mine.txt").write_text("mine")
    (here / FOLDER / "007.flac").unlink()
    before = {path: path.stat().st_mtime_ns for path in (here / FOLDER).iterdir()}
    con.execute(GET)
    con.execute(f"{GET} OPTIONS (overwrite=True)")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert content(here / FOLDER) == {**content(SHIPPED), "mine.txt": b"mine"}


def test_an_existing_file_is_replaced_only_with_overwrite(con: thano_duckdb.Connection, here: Path) -> None:
    (here / FOLDER).mkdir(parents=True)
    mine = here / FOLDER / "librispeech_test.csv"
    mine.write_text("mine")
    with pytest.raises(ThanoError, match=r"librispeech_test\.csv exists, has other content, .*overwrite=True"):
        con.sql(GET)
    assert content(here / FOLDER) == {mine.name: b"mine"}
    con.sql(f"{GET} OPTIONS (overwrite=True)")
    assert content(here / FOLDER) == content(SHIPPED)


def test_overwrite_replaces_a_link_and_not_its_target(con: thano_duckdb.Connection, here: Path) -> None:
    (here / FOLDER).mkdir(parents=True)
    (here / "precious.flac").write_bytes(b"mine")
    (here / FOLDER / "000.flac").symlink_to(here / "precious.flac")
    con.sql(f"{GET} OPTIONS (overwrite=True)")
    assert (here / "precious.flac").read_bytes() == b"mine"
    assert content(here / FOLDER) == content(SHIPPED)


def test_a_full_disk_leaves_no_incomplete_file(
    con: thano_duckdb.Connection, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copyfile = shutil.copyfile
    copied: list[Path] = []

    def fill_the_disk(source: Path, target: Path) -> None:
        if len(copied) == 5:
            target.write_bytes(source.read_bytes()[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(copyfile(source, target))

    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    with pytest.raises(ThanoError, match="there is no space left for the data set"):
        con.sql(GET)
    shipped = content(SHIPPED)
    assert content(here / FOLDER) == {f"{index:03}.flac": shipped[f"{index:03}.flac"] for index in range(5)}
    monkeypatch.undo()
    monkeypatch.chdir(here)
    con.sql(GET)
    assert content(here / FOLDER) == shipped


def test_a_folder_that_cannot_be_written_is_an_error(con: thano_duckdb.Connection, here: Path) -> None:
    (here / "tutorial_data").write_text("a file")
    with pytest.raises(ThanoError, match=r"the data set cannot be written to .*librispeech_data"):
        con.sql(GET)
    assert (here / "tutorial_data").read_text() == "a file"


def test_without_external_access_nothing_is_written(con: thano_duckdb.Connection, here: Path) -> None:
    con.execute("SET enable_external_access = false")
    with pytest.raises(ThanoError, match=r"may not write files .*enable_external_access=false"):
        con.sql(GET)
    assert list(here.iterdir()) == []


def test_an_unknown_data_set_is_an_error_with_a_suggestion(con: thano_duckdb.Connection) -> None:
    with pytest.raises(ThanoError, match=r"no data set 'librispeech'\. Did you mean 'librispeech_data'\?"):
        con.sql("GET THANOSQL DATASET librispeech")


def test_the_bundled_model_understands_the_test_clips(
    con: thano_duckdb.Connection, here: Path, bundled_model: Path
) -> None:
    con.execute(GET)
    con.execute(f"COPY clips OPTIONS (overwrite=True) FROM '{FOLDER}/librispeech_test.csv'")
    scores = dict(con.sql("EVALUATE USING Wav2Vec2TinyEn AS SELECT * FROM clips").fetchall())
    assert scores["wer"] < 0.4  # the figures of its card, with a margin for other processors
    assert scores["cer"] < 0.15
