"""The functions and macros in plain SQL."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import jiwer
import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf

import thano_duckdb
from tests.training.kit import write_clips, write_model
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.audio.formats import AUDIO_SUFFIXES
from thano_duckdb.functions.arrow import Function, sql_type
from thano_duckdb.functions.installation import FUNCTIONS
from thano_duckdb.functions.transcript_structs import to_arrow
from thano_duckdb.speech.decoding.greedy import greedy_decode
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.transcript import Transcript


def test_transcribe_gives_text_confidence_duration_and_words(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_clip: str
) -> None:
    row = an4_con.execute(f"SELECT thano_transcribe('{an4_model}', audio_path) FROM an4 WHERE id = 0").fetchone()
    assert row is not None
    transcript = row[0]
    assert set(transcript) == {"text", "confidence", "duration", "words", "error", "alternatives", "hotwords"}
    assert transcript["error"] is None
    assert transcript["duration"] == pytest.approx(sf.info(an4_clip).duration)
    assert 0 < transcript["confidence"] <= 1
    assert " ".join(word["word"] for word in transcript["words"]) == transcript["text"]
    times = [time for word in transcript["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= transcript["duration"]


def test_each_row_keeps_its_own_words() -> None:
    vocabulary = Vocabulary((None, "|", "é", "B"), frozenset({1}))
    paths = [np.array(ids) for ids in ([2, 3, 1, 0, 3, 3], [0, 0], [1, 2])]
    scores = [np.zeros(len(path), np.float32) for path in paths]
    two, none, one = (
        Transcript(hypothesis.text, hypothesis.confidence, 0.5, hypothesis.words, None)
        for hypothesis in greedy_decode(paths, scores, vocabulary, stride=8_000)
    )
    rows = to_arrow([None, two, Transcript.failed("It is missing."), none, one]).to_pylist()
    assert [row and row["words"] for row in rows] == [
        None,
        [
            {"word": "éB", "start": 0.0, "end": 1.0, "confidence": pytest.approx(0.976, abs=0.001)},
            {"word": "B", "start": 2.0, "end": 3.0, "confidence": pytest.approx(0.976, abs=0.001)},
        ],
        None,
        [],
        [{"word": "é", "start": 0.5, "end": 1.0, "confidence": pytest.approx(0.976, abs=0.001)}],
    ]
    assert rows[0] is None
    assert [row["text"] for row in rows[1:]] == ["éB B", None, "", "é"]
    assert [row["error"] for row in rows[1:]] == [None, "It is missing.", None, None]


def test_a_blob_gives_the_same_as_its_file(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    an4_con.execute("SET VARIABLE files = (SELECT list(audio_path) FROM an4 WHERE id < 5)")
    pairs = an4_con.execute(
        f"""
        SELECT thano_transcribe('{an4_model}', filename), thano_transcribe('{an4_model}', content)
        FROM read_blob(getvariable('files'))
        """
    ).fetchall()
    assert len(pairs) == 5
    for by_path, by_content in pairs:
        assert by_path["text"]
        for name in ("text", "duration", "error"):
            assert by_path[name] == by_content[name]
        # With other neighbours in the batch it is rounded differently.
        assert by_path["confidence"] == pytest.approx(by_content["confidence"], rel=1e-4)


def test_null_in_null_out(con: thano_duckdb.Connection, an4_model: Path) -> None:
    assert con.execute(f"SELECT thano_transcribe('{an4_model}', NULL)").fetchall() == [(None,)]
    assert con.execute(f"SELECT thano_transcribe('{an4_model}', NULL::BLOB)").fetchall() == [(None,)]
    assert con.execute("SELECT thano_audio_info(NULL), thano_normalize(NULL)").fetchall() == [(None, None)]
    assert con.execute("SELECT thano_word_errors('a', NULL), thano_wer(NULL, 'a')").fetchall() == [(None, None)]


def test_the_model_may_differ_by_row(an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute(f"UPLOAD MODEL a FROM '{an4_model}'")
        clips = an4_con.sql("SELECT id, audio_path FROM an4 WHERE id < 4").df()  # noqa: F841 - DuckDB finds it by its name
        rows = con.sql("SELECT id, thano_transcribe(if(id % 2 = 0, 'a', NULL), audio_path).text FROM clips").fetchall()
        alone = con.sql("SELECT id, thano_transcribe('a', audio_path).text FROM clips").fetchall()
    assert all(text for _, text in alone)
    assert rows == [(i, text if i % 2 == 0 else None) for i, text in alone]


@pytest.mark.parametrize(
    ("call", "phrase"),
    [
        ("thano_transcribe('{model}', [3])", "VARCHAR"),
        ("thano_transcribe('{model}', 'a.wav', 'batch_size=3')", "JSON"),
        ("thano_transcribe('{model}', 'a.wav', [3])", "JSON"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"batchsize\": 3}}')", "Did you mean 'batch_size'?"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"batch_size\": 3, \"BATCH_SIZE\": 4}}')", "given twice"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"batch_size\": 0}}')", "from 1 to 2147483647, not 0"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"batch_size\": \"x\"}}')", "batch_size"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"on_error\": \"x\"}}')", "on_error"),
        ("thano_transcribe('{model}', 'a.wav', '{{\"device\": \"tpu\"}}')", "tpu"),
        ("thano_word_errors([1], 'a')", "VARCHAR"),
        ("thano_audio_info([1.5])", "VARCHAR"),
    ],
)
def test_wrong_arguments_give_a_message_of_one_sentence(
    con: thano_duckdb.Connection, an4_model: Path, call: str, phrase: str
) -> None:
    with pytest.raises(ThanoError, match=phrase) as caught:
        con.sql(f"SELECT {call.format(model=an4_model)}").fetchall()
    assert "\n" not in str(caught.value)


# Error rates


def test_error_rates_equal_jiwer_to_the_last_digit(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    an4_con.execute(f"CREATE TABLE transcripts AS PREDICT USING '{an4_model}' AS SELECT * FROM an4")
    pairs = an4_con.execute("SELECT thano_normalize(text), thano_normalize(predicted) FROM transcripts").fetchall()
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    row = an4_con.execute("SELECT thano_wer(text, predicted), thano_cer(text, predicted) FROM transcripts").fetchone()
    assert row == (jiwer.wer(references, hypotheses), jiwer.cer(references, hypotheses))
    assert row[0] < 0.3  # the model's own card says 0.265


def test_error_rates_are_pooled_by_group_and_ignore_case(con: thano_duckdb.Connection) -> None:
    con.execute(
        """CREATE TABLE t AS FROM (VALUES
            ('ann', 'YES', 'yes'), ('ann', 'one two three', 'one too three'), ('bob', 'It''s, "fine".', 'its fine'),
            ('bob', 'not scored', NULL), ('eve', '', '')
        ) AS t(speaker, reference, hypothesis)"""
    )
    rates = con.execute(
        "SELECT speaker, thano_wer(reference, hypothesis) FROM t GROUP BY speaker ORDER BY 1"
    ).fetchall()
    assert rates == [("ann", 0.25), ("bob", 0.5), ("eve", None)]
    counts = con.execute("SELECT thano_word_errors('a b c', 'a x c d')").fetchone()
    assert counts == ({"substitutions": 1, "deletions": 0, "insertions": 1, "hits": 2, "length": 3},)


@pytest.mark.parametrize("rate", ["thano_wer", "thano_cer"])
def test_rates_work_as_window_functions(con: thano_duckdb.Connection, rate: str) -> None:
    con.execute("CREATE TABLE t (id INTEGER, speaker VARCHAR, reference VARCHAR, hypothesis VARCHAR)")
    con.execute(
        "INSERT INTO t VALUES (1, 'a', 'one two', 'one too'), (2, 'a', 'three', 'three'), (3, 'b', 'four', NULL),"
        " (4, 'b', 'five', 'fife five'), (5, 'c', NULL, NULL), (6, 'd', '', 'noise here')"
    )
    groups = dict(con.execute(f"SELECT speaker, {rate}(reference, hypothesis) FROM t GROUP BY speaker").fetchall())
    windows = f"SELECT DISTINCT speaker, {rate}(reference, hypothesis) OVER (PARTITION BY speaker) FROM t"
    assert dict(con.execute(windows).fetchall()) == groups
    assert groups["a"]
    assert groups["b"]
    assert groups["c"] is groups["d"] is None
    running = con.execute(f"SELECT {rate}(reference, hypothesis) OVER (ORDER BY id) FROM t ORDER BY id").fetchall()
    ((total,),) = con.execute(f"SELECT {rate}(reference, hypothesis) FROM t").fetchall()
    assert running[-1] == (total,)
    ((one,),) = con.execute(f"SELECT {rate}(reference, hypothesis) FROM t WHERE id = 1").fetchall()
    assert running[0] == (one,)


@pytest.mark.parametrize("rate", ["thano_wer", "thano_cer"])
@pytest.mark.parametrize("only_loaded", [False, True])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT g, {rate}(r, h) OVER (PARTITION BY g) AS q FROM v",
        "SELECT g, q: {rate}(r, h) OVER (PARTITION BY g) FROM v",
        "SELECT g, {rate}(r, h) OVER w AS q FROM v WINDOW w AS (PARTITION BY g)",
        "SELECT g, {rate}(r, h) OVER w AS q FROM v WINDOW w AS (PARTITION BY g) QUALIFY q >= 0",
        "SELECT g, round({rate}(r, h) OVER (PARTITION BY g), 9) AS q FROM v QUALIFY {rate}(r, h) OVER () > 0",
        "SELECT g, {rate}(r, h) FILTER (WHERE h IS NOT NULL) OVER (PARTITION BY g) AS q FROM v",
        "WITH rates AS (SELECT g, {rate}(r, h) OVER (PARTITION BY g) AS q FROM v) FROM rates",
    ],
)
def test_rates_over_windows_may_have_an_alias(
    con: thano_duckdb.Connection, rate: str, only_loaded: bool, query: str
) -> None:
    used = thano_duckdb.load(duckdb.connect()) if only_loaded else con
    used.execute("CREATE TABLE v AS FROM (VALUES (1, 'ab', 'ac'), (1, 'a', 'a'), (2, 'a', 'a')) v(g, r, h)")
    expected = {1: 0.5 if rate == "thano_wer" else 1 / 3, 2: 0}
    found = dict(used.execute(query.format(rate=rate)).fetchall())
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("call", ["thano_wer(r, h) FILTER (WHERE g = 1)", "thano_cer(DISTINCT r, h)"])
def test_a_rate_that_takes_no_filter_says_what_to_write(con: thano_duckdb.Connection, call: str) -> None:
    rows = "(VALUES (1, 'a b', 'a c'), (2, 'a', 'b')) v(g, r, h)"
    with pytest.raises(duckdb.InvalidInputException, match=r"(?s)Macro Function.*CASE WHEN condition THEN reference"):
        con.execute(f"SELECT {call} FROM {rows}")
    assert con.execute(f"SELECT thano_wer(CASE WHEN g = 1 THEN r END, h) FROM {rows}").fetchall() == [(0.5,)]


def test_the_rate_of_an_empty_reference_is_null(con: thano_duckdb.Connection) -> None:
    assert con.execute("SELECT thano_wer('', 'a b'), thano_cer(' ', 'a')").fetchall() == [(None, None)]
    pooled = "SELECT thano_wer(r, h) FROM (VALUES ('', 'a b'), ('a b c d', 'a b c d')) t(r, h)"
    assert con.execute(pooled).fetchall() == [(0.5,)]


def test_rates_of_any_size_are_exact(con: thano_duckdb.Connection) -> None:
    sums = "(5000000000 * 18446744073709551616::HUGEINT + 20000000000)"
    con.execute("SELECT thano_wer('a', 'a')")  # installs the macros
    for name in ("thano_wer", "thano_cer"):
        query = f"SELECT macro_definition FROM duckdb_functions() WHERE function_name = '{name}'"
        ((definition,),) = con.execute(query).fetchall()
        _, rate_of_total = definition.split(", (lambda ", maxsplit=1)
        query = f"SELECT list_extract(list_transform([{sums}], (lambda {rate_of_total}"
        assert con.execute(query).fetchall() == [(0.25,)]


def test_word_errors_are_computed_once_for_a_rate(con: thano_duckdb.Connection) -> None:
    ((_, plan),) = con.sql("EXPLAIN SELECT thano_wer('a ' || i, 'b') FROM range(3) t(i)").fetchall()
    projections = [line for line in plan.splitlines() if line.startswith("│ thano_word_errors(")]
    assert len(projections) == 1
    assert "struct_extract(#0, 'length')" in plan


MANDARIN = "(VALUES ('\u4eca \u5929 ok', '\u4eca\u5929 ok'), ('\u660e\u5929', '\u660e\u65e5')) v(r, h)"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("thano_wer(r, h)", 1 / 5),  # four characters and a word
        ("thano_wer(r, h, unit := 'mixed')", 1 / 5),
        ("thano_wer(r, h, unit := 'word')", 3 / 4),
        ("thano_cer(r, h)", 2 / 8),
        ("thano_cer(r, h, ignore_spaces := true)", 1 / 6),
        ("sum(thano_word_errors(r, h, unit := 'word').length)", 4),
        ("sum(thano_char_errors(r, h, ignore_spaces := true).length)", 6),
    ],
)
def test_rates_of_scripts_without_spaces(con: thano_duckdb.Connection, call: str, expected: float) -> None:
    assert con.execute(f"SELECT {call} FROM {MANDARIN}").fetchall() == [(pytest.approx(expected),)]
    assert con.execute(f"SELECT DISTINCT {call} OVER () FROM {MANDARIN}").fetchall() == [(pytest.approx(expected),)]


@pytest.mark.parametrize("options", ["include='words'", "include=['words', 'alternatives']"])
def test_a_model_without_a_delimiter_gives_letters_with_times(
    con: thano_duckdb.Connection, tmp_path: Path, options: str
) -> None:
    model = write_model(tmp_path / "model")
    vocabulary = {token: index for index, token in enumerate(["<pad>", *map(chr, range(0x4E00, 0x4E1F))])}
    (model / "vocab.json").write_text(json.dumps(vocabulary))
    write_clips(tmp_path / "clips", ["any"])
    clip = f"SELECT '{tmp_path / 'clips' / 'clip0.wav'}' AS audio_path"
    statement = f"PREDICT USING '{model}' OPTIONS ({options}) AS {clip}"
    ((text, words),) = con.sql(f"SELECT predicted, words FROM ({statement})").fetchall()
    assert len(text) > 1
    assert [word["word"] for word in words] == [*text]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert con.sql(f"SELECT thano_turns(1, words)[1].text FROM ({statement})").fetchall() == [(text,)]


def test_each_row_may_have_a_locale_of_its_own(con: thano_duckdb.Connection) -> None:
    rows = "(VALUES (1, 'tr'), (2, NULL), (3, 'az')) v(i, language)"
    found = con.execute(f"SELECT thano_normalize('I', locale := language) FROM {rows} ORDER BY i").fetchall()
    assert found == [("\u0131",), ("i",), ("\u0131",)]
    assert con.execute("SELECT thano_wer('ISI', '\u0131s\u0131', locale := 'TR')").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("thano_wer('a', 'b', unit := 'letter')", "The option 'unit' must be one of 'mixed', 'word', not 'letter'"),
        ("thano_cer('a', 'b', ignore_spaces := 'yes')", "The option 'ignore_spaces' must be True or False, not 'yes'"),
        ("thano_normalize('a', locale := 'de')", "The option 'locale' must be one of 'tr', 'az', not 'de'"),
    ],
)
def test_wrong_ways_to_compare_are_refused(con: thano_duckdb.Connection, call: str, message: str) -> None:
    with pytest.raises(ThanoError, match=message):
        con.execute(f"SELECT {call}").fetchall()


# Table macros


def test_thano_predict_gives_the_same_as_predict(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    an4_con.execute("CREATE TABLE calls AS SELECT id, audio_path AS recording FROM an4 WHERE id < 4")
    plain = an4_con.sql(f"FROM thano_predict('{an4_model}', 'calls', audio_col := 'recording')")
    ours = an4_con.sql(f"PREDICT USING '{an4_model}' OPTIONS (audio_col='recording') AS FROM calls")
    assert plain.columns == ours.columns == ["id", "recording", "predicted"]
    assert plain.fetchall() == ours.fetchall()


def test_thano_audio_lists_files_with_their_headers(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    sf.write(tmp_path / "a.wav", np.zeros((800, 2), np.float32), 8000)
    sf.write(tmp_path / "deep" / "b.FLAC", np.zeros(160, np.float32), 16000, format="FLAC")
    (tmp_path / "notes.txt").write_text("not audio")
    (tmp_path / "c.wav").write_text("text called wav")
    rows = con.sql(
        f"SELECT parse_filename(audio_path), duration, sample_rate, channels, error FROM thano_audio('{tmp_path}')"
    )
    with pytest.warns(ThanoWarning, match="1 file that is not audio in"):
        found = {row[0]: row[1:] for row in rows.fetchall()}
    assert set(found) == {"a.wav", "b.FLAC", "c.wav"}
    assert found["a.wav"] == (0.1, 8000, 2, None)
    assert found["b.FLAC"] == (0.01, 16000, 1, None)
    assert found["c.wav"][:3] == (None, None, None)
    assert found["c.wav"][3]
    for location, n_files in ((f"{tmp_path}/*.wav", 2), (f"{tmp_path}/**/*.[wF]*", 3), (f"{tmp_path}/a.wav", 1)):
        assert len(con.sql(f"FROM thano_audio('{location}')")) == n_files


def test_thano_audio_lists_every_audio_format(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    for suffix in (*AUDIO_SUFFIXES, ".csv", ".wavy", "wav"):
        (tmp_path / f"a{suffix}").touch()
    with pytest.warns(ThanoWarning, match="3 files that are not audio"):
        found = con.sql(f"SELECT audio_path FROM thano_audio('{tmp_path}')").fetchall()
    assert {Path(path).suffix for (path,) in found} == set(AUDIO_SUFFIXES)
    assert len(found) == len(AUDIO_SUFFIXES)


def test_thano_librispeech_reads_a_tree(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    chapter = tmp_path / "test-clean" / "84" / "121123"
    chapter.mkdir(parents=True)
    (chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO DO YOU HEAR\r\n84-121123-0001 BUT IN LESS\n")
    sf.write(chapter / "84-121123-0000.flac", np.zeros(1600, np.float32), 16000)
    rows = con.sql(
        f"SELECT audio_path, text, speaker, chapter, utterance_id FROM thano_librispeech('{tmp_path}')"
    ).fetchall()
    assert rows == [
        (str(chapter / "84-121123-0000.flac"), "GO DO YOU HEAR", "84", "121123", "84-121123-0000"),
        (str(chapter / "84-121123-0001.flac"), "BUT IN LESS", "84", "121123", "84-121123-0001"),
    ]
    assert Path(rows[0][0]).exists()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_arrow_types_are_named_as_duckdb_names_them(function: Function) -> None:
    with duckdb.connect() as con:
        (expected,) = con.from_arrow(pa.table({"a": pa.array([], function.returns)})).types
        assert con.sqltype(sql_type(function.returns)) == expected


# Plain DuckDB


def test_load_installs_the_functions_on_a_plain_connection(an4_model: Path, an4_clip: str) -> None:
    with duckdb.connect() as con:
        assert thano_duckdb.load(con) is con
        assert thano_duckdb.load(con, device="cpu") is con  # again, with other settings
        text = con.execute(f"SELECT thano_transcribe('{an4_model}', '{an4_clip}').text").fetchone()
        assert text is not None
        assert text[0]
        with con.cursor() as cursor:
            thano_duckdb.load(cursor)
            assert cursor.execute(f"SELECT thano_transcribe('{an4_model}', '{an4_clip}').text").fetchone() == text
        with pytest.warns(ThanoWarning, match=r"lost\.wav"):
            assert con.execute(f"SELECT thano_transcribe('{an4_model}', 'lost.wav').text").fetchall() == [(None,)]
        with pytest.raises(duckdb.Error, match="Did you mean 'Wav2Vec2En'"):
            con.execute("SELECT thano_transcribe('Wav2Vec2Em', 'a.wav')").fetchall()


# Safety


def test_without_external_access_files_are_refused_and_blobs_work(an4_model: Path, an4_clip: str) -> None:
    content = Path(an4_clip).read_bytes()
    with thano_duckdb.connect(model_home=an4_model.parent / "unused") as con:
        ((text,),) = con.execute(f"SELECT thano_transcribe('{an4_model}', ?::BLOB).text", [content]).fetchall()
        assert text
        path = con.sql(f"SELECT thano_audio_info('{an4_clip}').error")
        assert path.fetchall() == [(None,)]
        con.execute("SET enable_external_access = false")
        ((error,),) = path.fetchall()
        assert "enable_external_access" in error
        for refused in (f"SELECT thano_transcribe('{an4_model}', '{an4_clip}')", f"UPLOAD MODEL x FROM '{an4_model}'"):
            with pytest.raises(ThanoError, match="enable_external_access"):
                con.execute(refused).fetchall()


def test_without_external_access_registered_models_work_on_blobs(
    an4_model: Path, an4_clip: str, tmp_path: Path
) -> None:
    content = Path(an4_clip).read_bytes()
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute(f"UPLOAD MODEL spelling FROM '{an4_model}'")
        con.execute("SET enable_external_access = false")
        row = con.execute("SELECT thano_transcribe('spelling', ?::BLOB).text", [content]).fetchone()
        assert row is not None
        assert row[0]


def test_option_values_reach_sql_only_as_literals(con: thano_duckdb.Connection, an4_model: Path, an4_clip: str) -> None:
    nasty = 'x"; DROP TABLE t; --'
    con.execute("CREATE TABLE t AS SELECT 1 AS a")
    relation = con.sql(
        f"PREDICT USING '{an4_model}' OPTIONS (result_col='{nasty}') AS SELECT '{an4_clip}' AS audio_path"
    )
    assert relation.columns == ["audio_path", nasty]
    assert con.table("t").fetchall() == [(1,)]


def test_list_warns_of_a_damaged_version_and_shows_the_others(
    con: thano_duckdb.Connection, any_small_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("THANO_HOME", str(tmp_path / "home"))
    with thano_duckdb.connect() as connection:
        for name in ("good", "bad"):
            connection.execute(f"UPLOAD MODEL {name} FROM '{any_small_model}'")
        (tmp_path / "home" / "bad" / "1" / "thano.json").write_text("{")
        with pytest.warns(thano_duckdb.ThanoWarning, match="'bad@1' is damaged"):
            rows = connection.sql("SELECT name FROM (LIST MODEL)").fetchall()
    assert rows == [("good",)]
