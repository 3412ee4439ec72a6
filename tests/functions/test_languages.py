"""PREDICT and EVALUATE in the languages of a model that has many."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import thano_duckdb
from tests.mms import hugging_face_text, set_target_lang, write_mms
from thano_duckdb import ThanoError, ThanoWarning

LANGUAGES = ("kor", "eng", "deu", "kor", "eng", "deu")
Clips = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def clips() -> Clips:
    random = np.random.default_rng(3)
    return [0.1 * random.standard_normal(8000 + 3000 * n).astype(np.float32) for n in range(len(LANGUAGES))]


@pytest.fixture(scope="module")
def shared_mms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mms(tmp_path_factory.mktemp("mms"))


@pytest.fixture
def mms(shared_mms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a checkpoint, `mms` in the working folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(shared_mms, tmp_path / "mms"))


@pytest.fixture
def con(mms: Path, clips: Clips, tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with a table `clips` of recordings and their languages."""
    with thano_duckdb.connect(model_home=tmp_path / "models", precision="float32") as con:
        con.execute("CREATE TABLE clips (audio_path VARCHAR, lang VARCHAR, text VARCHAR)")
        for n, (samples, language) in enumerate(zip(clips, LANGUAGES, strict=True)):
            path = tmp_path / f"{n}.wav"
            soundfile.write(path, samples, 16_000, subtype="FLOAT")
            con.execute("INSERT INTO clips VALUES (?, ?, 'ab')", [str(path), language])
        yield con


def texts(con: thano_duckdb.Connection, options: str, query: str = "FROM clips") -> list[str | None]:
    return [row[-1] for row in con.sql(f"PREDICT USING './mms' OPTIONS ({options}) AS {query}").fetchall()]


def hugging_face(folder: Path, clips: Clips, languages: tuple[str, ...]) -> list[str]:
    return [
        hugging_face_text(folder, samples, None if language == "eng" else language)
        for samples, language in zip(clips, languages, strict=True)
    ]


def test_every_row_has_the_text_of_its_language(con: thano_duckdb.Connection, mms: Path, clips: Clips) -> None:
    expected = hugging_face(mms, clips, LANGUAGES)
    assert texts(con, "language_col='lang', level='exact'") == expected
    assert len(set(expected)) == len(expected)
    korean = con.sql("PREDICT USING './mms' OPTIONS (language='kor') AS SELECT audio_path FROM clips").fetchall()
    assert [row[-1] for row in korean] == hugging_face(mms, clips, ("kor",) * 6)
    call = "SELECT thano_transcribe('./mms', audio_path, '{\"batch_size\": 1}', language := lang).text FROM clips"
    assert [row[0] for row in con.sql(call).fetchall()] == expected
    enum = "SELECT audio_path, lang::ENUM('kor', 'eng', 'deu') AS Lang FROM clips"
    assert texts(con, "language_col=lang", enum) == expected


def test_the_default_language_is_that_of_the_model(con: thano_duckdb.Connection, mms: Path, clips: Clips) -> None:
    assert texts(con, "level='exact'") == hugging_face(mms, clips, ("eng",) * 6)
    set_target_lang(mms, "deu")
    assert texts(con, "level='exact'") == hugging_face(mms, clips, ("deu",) * 6)


def test_a_row_without_a_language_gives_null_and_the_reason_or_takes_that_of_the_option(
    con: thano_duckdb.Connection, mms: Path, clips: Clips
) -> None:
    con.execute("UPDATE clips SET lang = NULL WHERE lang = 'kor'")
    con.execute("UPDATE clips SET lang = 'ge' WHERE lang = 'deu'")
    predict = "PREDICT USING './mms' OPTIONS (language_col='lang', include=['error'] {}) AS FROM clips"
    with pytest.warns(ThanoWarning, match="4 of 6 clips|4 clips"):
        rows = con.sql(predict.format("")).fetchall()
    assert [row[3] is None for row in rows] == [True, False, True] * 2
    assert rows[0][4].startswith("Its language is NULL")
    assert "OPTIONS (language='eng')" in rows[0][4]
    assert rows[2][4].startswith("The model has no language 'ge' among its 4")
    with pytest.raises(ThanoError, match="Its language is NULL"):
        con.sql(predict.format(", on_error='fail'")).fetchall()
    with warnings.catch_warnings(action="ignore", category=ThanoWarning):
        rows = con.sql(predict.format(", language='deu'")).fetchall()
    assert rows[0][3] == hugging_face_text(mms, clips[0], "deu")
    nothing = "SELECT audio_path, NULL AS lang FROM clips"
    with pytest.warns(ThanoWarning, match="Its language is NULL"):
        assert texts(con, "language_col='lang'", nothing) == [None] * 6


def test_a_language_that_the_model_lacks_is_an_error_with_the_nearest(con: thano_duckdb.Connection) -> None:
    with pytest.raises(ThanoError, match=r"no language 'ko' among its 4: did you mean 'kor'\?"):
        texts(con, "language='ko'")
    with pytest.raises(ThanoError, match=r"no language 'ko'"):
        con.sql("EVALUATE USING './mms' OPTIONS (language='ko') AS FROM clips").fetchall()


def test_rows_of_a_language_whose_adapter_is_missing_give_null_and_the_reason(
    con: thano_duckdb.Connection, mms: Path, clips: Clips
) -> None:
    (mms / "adapter.deu.safetensors").rename(mms / "adapter.deu.bin")
    predict = "PREDICT USING './mms' OPTIONS (language_col='lang', level='exact', include=['error'] {}) AS FROM clips"
    with pytest.warns(ThanoWarning, match="2 of 6 clips|2 clips"):
        rows = con.sql(predict.format("")).fetchall()
    expected = hugging_face(mms, [clips[n] for n in (0, 1, 3, 4)], ("kor", "eng", "kor", "eng"))
    assert [row[3] for row in rows] == [*expected[:2], None, *expected[2:], None]
    assert "lacks adapter.deu.safetensors" in rows[2][4]
    assert "adapter.deu.bin is a pickle, which is never loaded" in rows[2][4]
    with pytest.raises(ThanoError, match=r"lacks adapter\.deu"):
        con.sql(predict.format(", on_error='fail'")).fetchall()


def test_spaces_around_a_language_do_not_matter(con: thano_duckdb.Connection) -> None:
    assert texts(con, "language=' KOR '") == texts(con, "language='kor'")
    spaced = "SELECT audio_path, lang || ' ' AS lang FROM clips"
    assert texts(con, "language_col='lang'", spaced) == texts(con, "language_col='lang'")


@pytest.mark.parametrize("options", ["language='eng'", "language_col='lang'"])
def test_a_model_of_one_language_takes_none(con: thano_duckdb.Connection, any_small_model: Path, options: str) -> None:
    with pytest.raises(ThanoError, match="no adapters for languages"):
        con.sql(f"PREDICT USING Wav2Vec2TinyEn OPTIONS ({options}) AS FROM clips").fetchall()


def test_the_transcripts_of_one_language_are_not_those_of_another(con: thano_duckdb.Connection) -> None:
    korean = texts(con, "language='kor'")
    assert texts(con, "language='deu'") != korean
    assert texts(con, "language='kor'") == korean
    assert texts(con, "language_col='lang'")[::3] == korean[::3]


def test_evaluation_is_in_the_language_of_the_option_or_of_the_rows(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE scored AS SELECT audio_path, lang, predicted AS text FROM (PREDICT USING './mms' "
                "OPTIONS (language_col='lang') AS SELECT audio_path, lang FROM clips)")  # fmt: skip
    by = con.sql("EVALUATE USING './mms' OPTIONS (language_col='lang', by='lang') AS FROM scored").fetchall()
    assert [(row[0], row[4]) for row in by] == [("deu", 0.0), ("eng", 0.0), ("kor", 0.0)]  # CER
    with pytest.warns(ThanoWarning, match="cannot write|alphabet"):
        wrong = con.sql("EVALUATE USING './mms' OPTIONS (language='kor', by='lang') AS FROM scored").fetchall()
    assert [row[4] > 0 for row in wrong] == [True, True, False]


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_other_precisions_run(con: thano_duckdb.Connection, precision: str) -> None:
    assert all(texts(con, f"language_col='lang', precision='{precision}'"))


def test_a_long_recording_is_transcribed_in_its_language(con: thano_duckdb.Connection, mms: Path) -> None:
    long = 0.1 * np.random.default_rng(5).standard_normal(90 * 16_000).astype(np.float32)
    soundfile.write("long.wav", long, 16_000, subtype="FLOAT")
    (text,) = texts(con, "language='kor', skip_silence=False", "SELECT 'long.wav' AS audio_path")
    assert text
    assert set(text) <= {*"가나다라마바사아자차카타파하고노도로모보소오조초 "}


def test_a_language_model_is_used_in_a_language(con: thano_duckdb.Connection) -> None:
    from thano_duckdb.speech.decoding.beam_library import problem

    if problem() is not None:
        pytest.skip("there is no beam search on this machine")
    con.execute("BUILD LANGUAGE MODEL german AS SELECT 'aber die straße mag er' AS text FROM range(20)")
    con.execute("BUILD LANGUAGE MODEL korean AS SELECT '하나 바다 가자 보초' AS text FROM range(20)")
    for language, model in (("deu", "german"), ("kor", "korean")):
        with warnings.catch_warnings(action="ignore", category=ThanoWarning):
            assert all(texts(con, f"language='{language}', language_model='{model}'"))
    with warnings.catch_warnings(action="ignore", category=ThanoWarning):
        assert all(texts(con, "language_col='lang', hotwords=['mag']"))
    with pytest.raises(ThanoError, match="language model 'german@1' does not fit"):
        texts(con, "language_col='lang', language_model='german'", "FROM clips ORDER BY lang")  # German first


def test_an_uploaded_model_keeps_its_languages(con: thano_duckdb.Connection, clips: Clips, mms: Path) -> None:
    con.execute("UPLOAD MODEL many FROM './mms'")
    rows = con.sql(
        "PREDICT USING many OPTIONS (language_col='lang', level='exact') AS SELECT audio_path, lang FROM clips"
    )
    assert [row[-1] for row in rows.fetchall()] == hugging_face(mms, clips, LANGUAGES)


def test_plain_duckdb_takes_a_language_too(mms: Path, con: thano_duckdb.Connection, clips: Clips) -> None:
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, precision="float32")
        (text,) = plain.execute(
            "SELECT thano_transcribe('./mms', '0.wav', '{\"language\": \"kor\"}').text"
        ).fetchone() or ("",)
    assert text == hugging_face_text(mms, clips[0], "kor")
