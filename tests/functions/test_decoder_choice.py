"""Language models, hotwords and alternatives in PREDICT, EVALUATE and `thano_transcribe`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thano_duckdb
from tests.speech.decoding.beam_oracle import Bigrams
from thano_duckdb import ModelError, ThanoError, ThanoWarning
from thano_duckdb.models import bundled
from thano_duckdb.speech.decoding import beam_library

pytestmark = pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))
FOLDER = bundled.dataset_folder("librispeech_data")


@pytest.fixture
def con(bundled_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[thano_duckdb.Connection]:
    """A table of four clips of the tutorial, and a language model of their words in `words.arpa`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bundled, "LANGUAGE_MODEL_FOLDER", tmp_path / "none")
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as connection:
        connection.execute(
            "CREATE TABLE clips AS "
            "SELECT replace(audio_path, 'tutorial_data/librispeech_data', ?) AS audio_path, text, "
            "list_filter(string_split(text, ' '), lambda word: len(word) > 4) AS names "
            "FROM read_csv(?) ORDER BY audio_path LIMIT 4",
            [str(FOLDER), str(FOLDER / "librispeech_test.csv")],
        )
        texts = [text for (text,) in connection.sql("SELECT text FROM clips").fetchall()]
        words = tuple(sorted({word.strip(".,?!").lower() for text in texts for word in text.split()}))
        Bigrams(words, np.random.default_rng(0), lm_weight=0.7, word_score=2.0).open(tmp_path / "words.arpa")
        yield connection


def rows(con: thano_duckdb.Connection, options: str, columns: str = "predicted") -> list[tuple[Any, ...]]:
    predict = f"PREDICT USING Wav2Vec2TinyEn OPTIONS ({options}) AS FROM clips"
    found: list[tuple[Any, ...]] = con.sql(f"SELECT {columns} FROM ({predict}) ORDER BY audio_path").fetchall()
    return found


def wer(con: thano_duckdb.Connection, options: str) -> float:
    metrics = dict(con.sql(f"EVALUATE USING Wav2Vec2TinyEn OPTIONS ({options}) AS FROM clips").fetchall())
    return float(metrics["wer"])


def test_a_language_model_mends_words_in_predict_and_evaluate(con: thano_duckdb.Connection) -> None:
    greedy = wer(con, "language_model=NULL")
    assert wer(con, "language_model='words.arpa'") < greedy / 2
    assert wer(con, "language_model='./words.arpa', lm_weight=0, word_score=0") > 0
    known = {
        word.strip(".,?!").upper() for (text,) in con.sql("SELECT text FROM clips").fetchall() for word in text.split()
    }
    assert {word for (text,) in rows(con, "language_model='words.arpa'") for word in text.split()} <= known


def test_each_setting_has_its_own_place_in_the_cache(con: thano_duckdb.Connection) -> None:
    settings = (
        "language_model=NULL",
        "language_model='words.arpa'",
        "language_model='words.arpa', lm_weight=0, word_score=-20",
        "hotwords=['zebra'], hotword_weight=50",
    )
    first = [rows(con, each) for each in settings]
    assert len({str(each) for each in first}) == len(settings)
    assert [rows(con, each) for each in reversed(settings)] == first[::-1]


def test_alternatives_begin_with_the_text_and_fall_in_score(con: thano_duckdb.Connection) -> None:
    for options, n in (
        ("include='alternatives'", 5),
        ("include='alternatives', n_best=2, language_model='words.arpa'", 2),
    ):
        for text, alternatives in rows(con, options, "predicted, alternatives"):
            assert alternatives[0]["text"] == text
            assert 1 <= len(alternatives) <= n
            scores = [each["score"] for each in alternatives]
            assert scores == sorted(scores, reverse=True)
    assert rows(con, "include='alternatives', n_best=1") == rows(con, "include='alternatives'")


def test_hotwords_of_a_column_are_found_with_their_times(con: thano_duckdb.Connection) -> None:
    plain = wer(con, "hotwords=[]")
    assert wer(con, "hotwords_col='names'") < plain
    found = rows(con, "hotwords_col='names', include=['hotwords', 'words']", "names, hotwords, words")
    assert any(hotwords for _names, hotwords, _words in found)
    for names, hotwords, words in found:
        times = {(word["word"].lower(), word["start"], word["end"]) for word in words}
        for each in hotwords:
            assert each["hotword"] in names
            assert (each["hotword"].lower(), each["start"], each["end"]) in times
            assert each["problem"] is None


def test_a_row_is_not_changed_by_the_hotwords_of_another(con: thano_duckdb.Connection) -> None:
    call = "thano_transcribe('Wav2Vec2TinyEn', audio_path, {{'hotword_weight': 20}}, {}).text"
    mixed = con.sql(
        f"SELECT {call.format('CASE WHEN number % 2 = 0 THEN names END')} "
        "FROM (SELECT *, row_number() OVER () AS number FROM clips) ORDER BY number"
    ).fetchall()
    everybody = con.sql(f"SELECT {call.format('names')} FROM clips").fetchall()
    nobody = con.sql(f"SELECT {call.format('NULL::VARCHAR[]')} FROM clips").fetchall()
    assert mixed == [nobody[0], everybody[1], nobody[2], everybody[3]]
    assert everybody != nobody


def test_the_column_of_hotwords_may_have_the_name_of_the_new_one(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE given AS SELECT audio_path, names AS hotwords FROM clips")
    options = "hotwords_col='hotwords', include='hotwords'"
    with pytest.warns(ThanoWarning, match="PREDICT replaces the column of hotwords"):
        relation = con.sql(f"PREDICT USING Wav2Vec2TinyEn OPTIONS ({options}) AS FROM given")
    assert relation.columns == ["audio_path", "predicted", "hotwords"]
    expected = rows(con, "hotwords_col='names', include='hotwords'", "audio_path, predicted, hotwords")
    assert sorted(relation.fetchall(), key=lambda row: str(row[0])) == expected


@pytest.mark.parametrize("column", ["NULL", "[NULL]", "['', NULL]", "[]::VARCHAR[]", "[NULL, names[1]]"])
def test_null_and_empty_hotwords_of_a_row_are_none(con: thano_duckdb.Connection, column: str) -> None:
    con.execute(f"CREATE TABLE given AS SELECT audio_path, {column} AS names FROM clips")
    query = "PREDICT USING Wav2Vec2TinyEn OPTIONS (hotwords_col='names') AS FROM given"
    assert all(text for _path, _names, text in con.sql(query).fetchall())


def test_a_hotword_that_cannot_be_spelt_is_named_in_a_warning_and_in_its_column(con: thano_duckdb.Connection) -> None:
    with pytest.warns(ThanoWarning, match="The hotword '日本' has no effect: the model's alphabet has no '日', '本'."):
        found = rows(con, "hotwords='日本', include='hotwords'", "hotwords")
    assert {hotwords[-1]["problem"] for (hotwords,) in found} == {"the model's alphabet has no '日', '本'"}
    with pytest.warns(ThanoWarning, match="Some hotwords of the rows have no effect"):
        con.sql(
            "SELECT thano_transcribe('Wav2Vec2TinyEn', audio_path, hotwords := [repeat('x', 10000)]) FROM clips"
        ).fetchall()


def test_a_hotword_of_one_letter_is_warned_of_unless_its_weight_is_small(
    con: thano_duckdb.Connection, recwarn: pytest.WarningsRecorder
) -> None:
    rows(con, "hotwords=['a'], hotword_weight=3")
    rows(con, "hotwords=['an']")
    assert len(recwarn) == 0
    with pytest.warns(ThanoWarning, match=r"Hotwords of a single letter \('a'\) .* a hotword_weight of 3 or less"):
        rows(con, "hotwords=['a']")
    with pytest.warns(ThanoWarning, match=r"Hotwords of a single letter \('B'\)"):
        con.sql("SELECT thano_transcribe('Wav2Vec2TinyEn', audio_path, hotwords := ['B']) FROM clips").fetchall()


def test_half_a_character_in_options_is_one_sentence(con: thano_duckdb.Connection) -> None:
    for options in (r'{"hotwords": ["\ud800"]}', r'{"language_model": "a\udfff"}'):
        with pytest.raises(ThanoError, match=r"the options hold half a character \(a lone surrogate"):
            con.execute("SELECT thano_transcribe('Wav2Vec2TinyEn', audio_path, ?) FROM clips", [options]).fetchall()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("beam_width=0", "'beam_width' must be a whole number from 1 to 10000, not 0"),
        ("lm_weight=-1", "'lm_weight' must be a number from 0 to 100"),
        ("n_best=0", "'n_best' must be a whole number from 1 to 100"),
        ("hotwords=[NULL]", "'hotwords' must be a text, or a list of texts"),
        ("hotwords=3", "'hotwords' must be a text, or a list of texts"),
        ("hotwords_col='nobody'", "reads the column 'nobody'"),
        ("hotwords_col='text'", "the hotwords of a row must be a list of texts"),
        ("language_model='nothing'", "there is no language model 'nothing'"),
        ("language_model='damaged.arpa'", "damaged.arpa"),
        ("language_model='model'", "the acoustic model has no language model"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(con: thano_duckdb.Connection, options: str, words: str) -> None:
    text = Path("words.arpa").read_text(encoding="utf-8")
    Path("damaged.arpa").write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(ThanoError, match=words):
        rows(con, options)


def test_weights_without_a_language_model_are_warned_of(con: thano_duckdb.Connection) -> None:
    with pytest.warns(ThanoWarning, match="Without a language model, lm_weight and word_score have no effect"):
        rows(con, "lm_weight=1, word_score=1")


def test_a_language_model_in_the_folder_is_used_when_asked_for(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = tmp_path / "with_language"
    shutil.copytree(bundled.MODEL_FOLDER, folder)
    (folder / "language_model").mkdir()
    shutil.copy("words.arpa", folder / "language_model" / "words.arpa")
    predict = f"SELECT predicted FROM (PREDICT USING '{folder}' OPTIONS ({{}}) AS FROM clips)"
    with pytest.warns(ThanoWarning, match="has a language model in its folder, which is not used") as warned:
        without = con.sql(predict.format("batch_size=2")).fetchall()
    assert len(warned) == 1
    assert con.sql(predict.format("language_model=None")).fetchall() == without  # and no warning
    assert con.sql(predict.format("language_model='model'")).fetchall() != without


def test_the_bundled_language_model_is_on_with_the_small_model(
    con: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = rows(con, "language_model=NULL")
    (tmp_path / "english").mkdir()
    shutil.copy("words.arpa", tmp_path / "english" / "words.arpa")
    monkeypatch.setattr(bundled, "LANGUAGE_MODEL_FOLDER", tmp_path / "english")
    by_default = rows(con, "batch_size=3")
    assert by_default == rows(con, "language_model='en'") == rows(con, "language_model='words.arpa'")
    assert rows(con, "language_model=NULL") == greedy != by_default
    monkeypatch.setattr(beam_library, "problem", lambda: "the package ctc-beam-decoder is not installed")
    with pytest.warns(ThanoWarning, match="written without the language model 'en': the package ctc-beam-decoder"):
        assert rows(con, "batch_size=3") == greedy
    with pytest.raises(ModelError, match="the package ctc-beam-decoder is not installed"):
        rows(con, "language_model='en', beam_width=77, lm_weight=0.3")


def test_a_database_that_may_not_read_files_reads_no_language_model(con: thano_duckdb.Connection) -> None:
    blob = (FOLDER / "080.flac").read_bytes()
    con.execute("SET enable_external_access = false")
    with pytest.raises(ModelError, match="may not read"):
        con.execute(
            "PREDICT USING Wav2Vec2TinyEn OPTIONS (language_model='./words.arpa') AS SELECT ?::BLOB AS audio_path",
            [blob],
        ).fetchall()


def test_words_of_a_language_model_that_can_never_be_written_are_counted(con: thano_duckdb.Connection) -> None:
    text = Path("words.arpa").read_text(encoding="utf-8")
    Path("names.arpa").write_text(text.replace("lamp", "Lamp").replace("lunch", "lünch"), encoding="utf-8")
    with pytest.warns(ThanoWarning, match="2 words of the language model 'names.arpa' can never be written"):
        rows(con, "language_model='names.arpa'")


def test_only_the_first_hotwords_without_effect_are_named(con: thano_duckdb.Connection) -> None:
    with pytest.warns(ThanoWarning) as caught:
        rows(con, "hotwords=['n1', 'n2', 'n3', 'n4', 'n5']")
    sentences = [str(warning.message) for warning in caught]
    assert len(sentences) == 4
    assert sentences[-1].startswith("2 more hotwords without effect")
