"""What DuckDB refuses and was meant for us gets one sentence that helps; what DuckDB accepts stays DuckDB's."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from thano_duckdb import DialectError, ModelError, ThanoError, ThanoWarning


@pytest.mark.parametrize(
    ("marked", "phrase"),
    [
        ("PREDICT @@m AS SELECT 1", "USING is missing: write PREDICT USING model"),
        ("EVALUATE @@'hf://a/b' OPTIONS (by='x') AS FROM t", "USING is missing: write EVALUATE USING model"),
        ("PREDICT @@USNG m AS SELECT 1", "'USNG' is not a keyword here. Did you mean PREDICT USING?"),
        ("SELECT 1;\nPREDICT @@USNIG m OPTIONS () AS SELECT 1", "Did you mean PREDICT USING?"),
        ("CREATE TABLE x AS PREDICT @@m AS SELECT 1", "USING is missing"),
        ("SELECT * FROM (PREDICT @@m AS SELECT 1)", "USING is missing"),
        ("EXPLAIN PREDICT @@m AS SELECT 1", "USING is missing"),
        ("@@PREDCT USING m AS SELECT 1", "Did you mean PREDICT USING?"),
        ("@@BUILD MODL m USING x AS SELECT 1", "Did you mean BUILD MODEL?"),
        ("BUILD @@LANGUAGE MODL m AS FROM t", "BUILD LANGUAGE is followed by MODEL"),
        ("@@BUILD LANGAUGE MODEL m AS FROM t", "Did you mean BUILD LANGUAGE MODEL?"),
        ("@@UPLOAD MODLE m FROM 'x'", "Did you mean UPLOAD MODEL?"),
        ("@@DELET MODEL m", "Did you mean DELETE MODEL?"),
        ("@@DESCRIBE MODELS m", "DESCRIBE MODELS is not a statement. Did you mean DESCRIBE MODEL?"),
        ("@@DESC MODELL m", "DESC MODELL is not a statement. Did you mean DESC MODEL?"),
        ("DESCRIBE @@LANGUAGE m", "DESCRIBE LANGUAGE is followed by MODEL"),
        ("@@DROP MODELL m", "DROP MODELL is not a statement. Did you mean DROP MODEL?"),
        ("@@DROP MODLE IF EXISTS m", "DROP MODLE is not a statement. Did you mean DROP MODEL?"),
        ("DROP MODEL IF @@EXIST m", "'EXIST' is unexpected after IF. Did you mean IF EXISTS?"),
        ("LIST MODEL; @@LIST MODLS", "Did you mean LIST MODEL"),
        ("@@LIST DATASET", "Did you mean LIST THANOSQL DATASET?"),
        ("SELECT 1; @@LIST DATASETS;", "Did you mean LIST THANOSQL DATASET?"),
        ("@@LIST", "Write LIST MODEL, LIST THANOSQL MODEL"),
        ("SELECT 1; @@LIST ;", "Write LIST MODEL, LIST THANOSQL MODEL"),
        ("@@LIST ALL MODELS", "LIST ALL is not a statement. Write LIST MODEL, LIST THANOSQL MODEL"),
        ("@@GET MODEL T", "Did you mean GET THANOSQL MODEL?"),
        ("@@GET DATASET librispeech_data", "Did you mean GET THANOSQL DATASET?"),
        ("@@GET librispeech_data", "Write GET THANOSQL MODEL name or GET THANOSQL DATASET name"),
        ("@@BUILD x USING y AS SELECT 1", "Write BUILD MODEL name USING model"),
        ("@@FIT x USING y AS SELECT 1", "Write FIT MODEL name USING model"),
        ("@@UPLOAD m1 FROM 'x'", "Write UPLOAD MODEL name [OPTIONS (..)] FROM 'folder'"),
        ("@@TRAIN MODEL x USING y AS SELECT 1", "Write BUILD MODEL name USING model"),
        ("@@CREATE MODEL", "Write BUILD MODEL name USING model"),
        ("@@CREATE OR REPLACE MODEL x USING y AS SELECT 1", "Write BUILD MODEL name USING model"),
        ("@@TRANSCRIBE USING m AS SELECT 1", "Write PREDICT USING model"),
        ("@@PREDICT", "Write PREDICT USING model"),
        ("@@PRINT AS SELECT 1", "Write PRINT AUDIO"),
        ("SELECT * FROM @@PREDICT USING m AS SELECT 1", "in parentheses after FROM: (PREDICT USING .. AS ..)"),
        ("SELECT * FROM t JOIN @@EVALUATE USING m AS SELECT 1", "in parentheses after JOIN"),
        ("COPY x @@OPTION (overwrite=True) FROM 'rec'", "Did you mean OPTIONS?"),
        ("COPY a.x @@OPTONS (overwrite=True) FROM 'rec'", "Did you mean OPTIONS?"),
        ("COPY x FROM 'rec' @@OPTIONS (overwrite=True)", "Write COPY table OPTIONS (overwrite=True) FROM"),
        ("COPY x FROM 'rec' (@@overwrite=True)", "Write COPY table OPTIONS (overwrite=True) FROM"),
        ("DROP MODEL IF @@EXIST x", "Did you mean IF EXISTS?"),
        ("DELETE MODEL IF @@x", "Did you mean IF EXISTS?"),
    ],
)
def test_a_near_miss_is_named_at_its_place(con: thano_duckdb.Connection, marked: str, phrase: str) -> None:
    before, _, after = marked.partition("@@")
    with pytest.raises(DialectError) as refusal:
        con.execute(before + after)
    assert phrase in refusal.value.problem
    assert refusal.value.line == before.count("\n") + 1
    assert refusal.value.column == len(before) - (before.rfind("\n") + 1) + 1


@pytest.mark.parametrize("method", ["sql", "execute", "executemany", "extract_statements", "get_table_names"])
def test_every_method_that_takes_text_names_a_near_miss(con: thano_duckdb.Connection, method: str) -> None:
    with pytest.raises(DialectError, match="Did you mean PREDICT USING"):
        getattr(con, method)("PREDCT USING m AS SELECT 1")
    with pytest.raises(duckdb.ParserException, match="SELEC"):
        getattr(con, method)("SELEC 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (list) FRM t",
        "SELECT * FROM a JOIN predict USING (id) WHER 1",
        "SELECT * FROM predict USING SAMPLE 9% WHER 1",
        "COPY x FROM 'a.csv' (FORMAT",
        "SELEC 1",
        "CREATE TABEL t(a INT)",
        "DROP TABEL t",
        "SELECT predict m AS x FROM",
        "INSERT INT t VALUES (1)",
    ],
)
def test_other_mistakes_stay_duckdbs(con: thano_duckdb.Connection, sql: str) -> None:
    with duckdb.connect() as plain, pytest.raises(duckdb.Error) as expected:
        plain.execute(sql)
    with pytest.raises(duckdb.Error) as found:
        con.execute(sql)
    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))


def test_describe_model_without_a_name_keeps_duckdbs_error_and_adds_a_hint(con: thano_duckdb.Connection) -> None:
    for sql in ("DESCRIBE MODEL", "desc model;"):
        with pytest.raises(duckdb.CatalogException, match=r"(?si)model does not exist.*write DESCRIBE MODEL name\.$"):
            con.execute(sql)


def test_show_models_and_copy_of_a_folder_keep_duckdbs_error_and_add_a_hint(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    with pytest.raises(duckdb.CatalogException, match=r"(?s)MODELS does not exist.*LIST MODEL shows your models"):
        con.execute("SHOW MODELS")
    with pytest.raises(duckdb.CatalogException, match=r"does not exist(?s:.)*COPY a\.t OPTIONS \(if_exists='append'\)"):
        con.execute(f"COPY a.t FROM '{tmp_path}'")
    for copy in ("COPY t FROM 'x.csv'", "COPY t (a, b) FROM 'x.csv' (HEADER)"):
        new_table = (
            r"Table with name t does not exist(?s:.)*new table of the file write COPY t OPTIONS \(\) FROM 'x.csv'\.$"
        )
        with pytest.raises(duckdb.CatalogException, match=new_table):
            con.execute(copy)
    con.execute("CREATE TABLE existing (a INT)")
    with pytest.raises(duckdb.Error) as refusal:
        con.execute("COPY existing FROM 'x.csv'")
    assert "OPTIONS" not in str(refusal.value)
    with pytest.raises(duckdb.ParserException) as refusal:
        con.execute(f"COPY x WITH (a) FROM '{tmp_path}'")
    assert "OPTIONS" not in str(refusal.value)
    with pytest.raises(duckdb.CatalogException, match=r"write DELETE MODEL x\."):
        con.execute("DELETE FROM MODEL x")
    with pytest.raises(duckdb.CatalogException, match=r"parentheses after FROM: \(LIST MODEL\)"):
        con.execute("SELECT * FROM LIST MODEL")
    con.execute("CREATE TABLE models AS SELECT 1 AS a")
    assert con.execute("SHOW MODELS").fetchall()[0][0] == "a"


def test_copy_of_a_folder_that_duckdb_reads_warns_that_its_audio_is_not(
    con: thano_duckdb.Connection, tmp_path: Path, an4_clip: str
) -> None:
    (tmp_path / "notes.csv").write_text("audio_path\n")  # DuckDB reads the CSV files of a folder
    con.execute("CREATE TABLE t (audio_path VARCHAR)")
    with warnings.catch_warnings(action="error"):
        assert con.execute(f"COPY t FROM '{tmp_path}'").fetchall() == [(0,)]
    shutil.copy(an4_clip, tmp_path)
    advice = rf"only the CSV files.*COPY t OPTIONS \(if_exists='append'\) FROM '{re.escape(str(tmp_path))}'"
    with pytest.warns(ThanoWarning, match=advice):
        con.execute(f"COPY t FROM '{tmp_path}'")
    with pytest.warns(ThanoWarning, match=advice):
        con.sql(f"SELECT 1; COPY t FROM '{tmp_path}'")
    with warnings.catch_warnings(action="error"):
        con.execute(f"COPY t FROM '{tmp_path}/notes.csv'")
        con.execute(f"COPY t FROM '{tmp_path}' (FORMAT csv)")
        con.execute(f"COPY t TO '{tmp_path}/copy.csv'")


def test_list_models_and_drop_model(con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as own:
        for _ in range(2):
            own.execute(f"UPLOAD MODEL mine OPTIONS (overwrite=True) FROM '{an4_model}'")
        assert own.sql("SELECT name FROM (LIST MODEL)").fetchall() == own.sql("LIST MODELS").project("name").fetchall()
        assert len(own.execute("DROP MODEL mine@1").fetchall()) == 1
        assert len(own.execute("DROP MODEL IF EXISTS MINE").fetchall()) == 1
        assert own.execute("DROP MODEL IF EXISTS mine").fetchall() == []
        with pytest.raises(ThanoError, match="no model 'mine' to delete"):
            own.execute("DROP MODEL mine")
        with pytest.raises(ThanoError, match="'Wav2Vec2TinyEn' is built in"):
            own.execute("DROP MODEL IF EXISTS Wav2Vec2TinyEn")


# Arguments of functions


def test_a_swapped_model_and_audio_are_named(con: thano_duckdb.Connection, an4_model: Path, an4_clip: str) -> None:
    for audio in (f"'{an4_clip}'", "'nosuch.mp3'", "'\\x00'::BLOB"):
        with pytest.raises(ModelError, match="takes the model first and then the audio"):
            con.execute(f"SELECT thano_transcribe({audio}, '{an4_model}')")


def test_options_may_be_a_struct(con: thano_duckdb.Connection, an4_model: Path, an4_clip: str) -> None:
    call = f"SELECT thano_transcribe('{an4_model}', '{an4_clip}', {{}}).text"
    expected = con.execute(call.format("'{\"batch_size\": 2}'")).fetchall()
    assert con.execute(call.format("{'batch_size': 2, 'device': 'cpu', 'on_error': NULL}")).fetchall() == expected
    rows = f"(SELECT '{an4_clip}' AS audio_path)"
    macro = f"SELECT predicted FROM thano_predict('{an4_model}', 'rows', options := {{'batch_size': 2}})"
    con.execute(f"CREATE TABLE rows AS FROM {rows}")
    assert con.execute(macro).fetchall() == expected
    with pytest.raises(ThanoError, match="no option 'batch'"):
        con.execute(call.format("{'batch': 2}"))
    with pytest.raises(ThanoError, match="neither JSON text nor a STRUCT"):
        con.execute(call.format("[1]"))


@pytest.mark.parametrize("name", ["Wav2Vec2Ko", "wav2vec2largeDE", "Wav2Vec2-ja"])
def test_a_model_of_another_language_is_not_confused_with_an_english_one(
    con: thano_duckdb.Connection, name: str
) -> None:
    with pytest.raises(ModelError, match=r"hf://\w+/.*BUILD MODEL") as refusal:
        con.execute(f"SELECT thano_transcribe('{name}', 'a.wav')")
    assert "Did you mean" not in str(refusal.value)
    with pytest.raises(DialectError, match=r"for English|Korean model"):
        con.execute(f"PREDICT USING {name} AS SELECT 'a.wav' AS audio_path")


def test_whisper_is_answered_with_ctc_models(con: thano_duckdb.Connection) -> None:
    with pytest.raises(DialectError, match="Whisper is not supported: use a CTC model"):
        con.execute("PREDICT USING whisper_small AS SELECT 'a.wav' AS audio_path")


def test_a_model_offline_is_answered_without_the_name_of_another_statement(
    con: thano_duckdb.Connection, no_hub: Path
) -> None:
    with pytest.raises(ThanoError, match="or a copy of a model's folder") as refusal:
        con.execute("BUILD MODEL m USING Wav2Vec2LargeEn AS SELECT 'a.wav' AS audio_path, 'a' AS text")
    assert "PREDICT" not in str(refusal.value)
    assert not no_hub.exists()


def test_the_paths_of_the_later_tutorials_are_those_of_the_data_set(
    con: thano_duckdb.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, an4_clip: str
) -> None:
    monkeypatch.chdir(tmp_path)
    con.execute("GET THANOSQL DATASET librispeech_data")
    path = "thanosql-dataset/librispeech_data"
    con.execute(f"COPY t OPTIONS (if_exists='replace') FROM '{path}/librispeech_train.csv'")
    assert con.sql("SELECT count(*) FROM t").fetchall() == [(80,)]
    with pytest.warns(ThanoWarning, match="2 files that are not audio"):  # the tables
        con.execute(f"COPY clips OPTIONS (if_exists='replace') FROM '{path}'")
    assert con.sql("SELECT count(*) FROM clips").fetchall() == [(100,)]
    (tmp_path / path).mkdir(parents=True)
    shutil.copy(an4_clip, tmp_path / path)
    con.execute(f"COPY clips OPTIONS (if_exists='replace') FROM '{path}'")
    assert con.sql("SELECT count(*) FROM clips").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "GET THANOSQL MODEL 'hf://facebook/hu\nbert'",
        "UPLOAD MODEL mine FROM 'models/mi\nne'",
        "UPLOAD MODEL mine FROM 'models/mi\u2028ne'",
        "PREDICT USING 'mi\r\nne' AS SELECT 'a.wav' AS audio_path",
        "DELETE MODEL 'mi\nne'",
        "FROM thano_audio('no\nsuch')",
        "FROM thano_training('no\nsuch')",
        "FROM thano_get_dataset('no\nsuch')",
        "SELECT thano_transcribe('Wav2Vec2TinyEn', 'a.wav', '{\"dev\nice\": 1}')",
    ],
)
def test_a_name_with_a_line_end_leaves_the_message_on_one_line(con: thano_duckdb.Connection, sql: str) -> None:
    with pytest.raises(ThanoError) as refusal:
        con.execute(sql).fetchall()
    message = refusal.value.problem if isinstance(refusal.value, DialectError) else str(refusal.value)
    assert len(message.splitlines()) == 1


# The user's own line


@pytest.mark.parametrize(
    ("marked", "kind", "phrase"),
    [
        ("PREDICT USING Wav2Vec2TinyEn AS SELECT @@nosuch FROM clips", duckdb.BinderException, '"nosuch" not found'),
        ("PREDICT USING Wav2Vec2TinyEn AS FROM @@nosuch", duckdb.CatalogException, "nosuch does not exist"),
        ("SELECT @@zz FROM (PREDICT USING Wav2Vec2TinyEn AS FROM clips)", duckdb.BinderException, '"zz" not found'),
        ("SELECT 1;\n@@COPY t OPTIONS () FROM 'nosuch.csv'", duckdb.IOException, "No files found"),
    ],
)
def test_an_error_of_duckdbs_shows_the_line_that_the_user_wrote(
    con: thano_duckdb.Connection, marked: str, kind: type[duckdb.Error], phrase: str
) -> None:
    before, _, after = marked.partition("@@")
    con.execute("CREATE TABLE clips AS SELECT 'a.wav' AS audio_path")
    with pytest.raises(kind, match=phrase) as refusal:
        con.execute(before + after)
    _, _, excerpt = str(refusal.value).partition("\n\nLINE ")
    line, caret = excerpt.split("\n")[:2]
    head = f"{before.count(chr(10)) + 1}: "
    assert line == head + (before + after).splitlines()[-1]
    assert caret.index("^") == len("LINE ") + len(head) + len(before.rpartition("\n")[2])


def test_copy_into_a_table_that_exists_says_how_to_replace_it_or_add_to_it(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    con.execute(f"COPY t OPTIONS () FROM '{tmp_path}/a.csv'")
    advice = r"(?s)already exists.*\(overwrite=True\) replaces the table, OPTIONS \(if_exists='append'\) adds rows"
    with pytest.raises(duckdb.CatalogException, match=advice):
        con.execute(f"COPY t OPTIONS () FROM '{tmp_path}/a.csv'")


@pytest.mark.parametrize(
    ("name", "options", "instead"),
    [
        ("latin.csv", "", "CREATE TABLE t AS FROM read_csv('latin.csv', encoding='latin-1')"),
        ("latin.txt", "overwrite=True", "CREATE OR REPLACE TABLE t AS FROM read_csv('latin.txt', encoding='latin-1')"),
        ("latin*.csv", "", "CREATE TABLE t AS FROM read_csv(thano_file('latin*.csv'), encoding='latin-1')"),
        ("latin.json", "", None),
    ],
)
def test_a_file_that_is_not_utf8_is_answered_in_one_sentence_with_a_statement_that_reads_it(
    con: thano_duckdb.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: str,
    instead: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "utf8.csv").write_text("a,b\n1,2\n")
    (tmp_path / name.replace("*", "")).write_bytes(b'[{"a": "caf\xe9"}]' if instead is None else b"a,b\ncaf\xe9,1\n")
    with pytest.raises(ThanoError) as refusal:
        con.execute(f"COPY first OPTIONS () FROM 'utf8.csv'; COPY t OPTIONS ({options}) FROM '{name}'")
    (line,) = str(refusal.value).splitlines()
    if instead is None:
        assert "is not UTF-8, as JSON must be: convert it" in line
    else:
        assert line == f"'{name}' is not UTF-8: name its encoding, as in {instead}"
        con.execute(instead)
        assert "café" in con.sql("FROM t").fetchall()[-1]


def test_settings_that_duckdb_proposes_for_a_file_come_with_a_statement_that_takes_them(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    (tmp_path / "late.csv").write_text("a\n" + "1\n" * 30_000 + "x\n")
    advice = (
        rf"(?s)Possible.*none of these settings: write CREATE TABLE t AS FROM read_csv\('{tmp_path}/late.csv', \.\.\)$"
    )
    with pytest.raises(duckdb.ConversionException, match=advice):
        con.execute(f"COPY t OPTIONS () FROM '{tmp_path}/late.csv'")


# Table functions


@pytest.mark.parametrize(
    ("query", "phrase"),
    [
        (
            "thano_predict('Wav2Vec2TinyEn', 'clips', audio_col := 'audio')",
            r"thano_predict reads the column 'audio'.*Did you mean 'audio_path'\? audio_col := '..' names another",
        ),
        ("thano_evaluate('Wav2Vec2TinyEn', 'clips')", r"thano_evaluate reads the column 'text'.*or text_col := '..'"),
        (
            "thano_predict('Wav2Vec2TinyEn', 'clips', audio_col := audio_path)",
            r"^thano_predict takes the name of a column as text: audio_col := 'audio_path' \(line 1, column 60\)",
        ),
        ("thano_evaluate('Wav2Vec2TinyEn', 'clips', text_col => \"a\")", r"as text: text_col := 'a' \(line 1"),
        (
            "thano_evaluate('Wav2Vec2TinyEn', 'clips', text_col := 'audio_path', options := {'by': 'a'})",
            r"^thano_evaluate has no option 'by': only the statement EVALUATE has it\.$",
        ),
        (
            "thano_predict('Wav2Vec2TinyEn', 'clips', options := {'include': 'error'})",
            r"^thano_predict has no option 'include': only the statement PREDICT has it\.$",
        ),
        (
            "thano_predict('Wav2Vec2TinyEn', 'clips', options := {'audio_col': 'a'})",
            r"^thano_predict has no option 'audio_col': it is an argument of its own, audio_col := '\.\.'\.$",
        ),
        ("thano_predict('Wav2Vec2TinyEn', 'clips', options := {'foo': 1})", r"^thano_predict has no option 'foo'"),
        (
            "(SELECT thano_transcribe('Wav2Vec2TinyEn', audio_path, {'result_col': 'a'}) FROM clips)",
            r"^thano_transcribe has no option 'result_col': only the statement PREDICT has it\.$",
        ),
        ("thano_predict('a.wav', 'clips')", r"thano_predict takes the model first and then the table"),
        ("thano_audio(['a', 'b'])", r"^the folder of audio must be text \(VARCHAR\), not a LIST$"),
        ("thano_audio(NULL)", "^the folder of audio is NULL: name a folder or a file$"),
        ("thano_librispeech(['a'])", r"^the LibriSpeech tree must be text \(VARCHAR\), not a LIST$"),
    ],
)
def test_mistakes_in_calls_of_table_functions_get_one_sentence(
    con: thano_duckdb.Connection, query: str, phrase: str
) -> None:
    con.execute("CREATE TABLE clips (a INT, audio_path VARCHAR)")
    con.execute("INSERT INTO clips VALUES (1, 'lost.wav')")
    with pytest.raises(ThanoError, match=phrase):
        con.execute(f"FROM {query}").fetchall()


def test_a_function_called_by_its_inner_name_asks_for_load(con: thano_duckdb.Connection) -> None:
    plain = con.raw.cursor()
    for call in ("_thano_transcribe('a', 'b')", "_thano_transcribe('a')", "_thano_audio_info('a')"):
        with pytest.raises(duckdb.InvalidInputException, match=r"call thano_duckdb\.load\(connection\)"):
            plain.execute(f"SELECT {call}").fetchall()


@pytest.mark.parametrize("model", ["'openai/whisper-tiny'", "'./whisper-small'"])
def test_the_folder_of_a_whisper_model_is_answered_with_ctc_models(con: thano_duckdb.Connection, model: str) -> None:
    with pytest.raises(DialectError, match="Whisper is not supported: use a CTC model") as refusal:
        con.execute(f"PREDICT USING {model} AS SELECT 'a.wav' AS audio_path")
    assert "hf://openai" not in str(refusal.value)
