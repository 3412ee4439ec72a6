"""Macros of a database file that are named as DuckDB's functions change nothing in our statements and functions."""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_clips, write_model
from thano_duckdb.functions.sql_files import sql_folder

N_PARAMETERS = 7
"""The macros take up to as many arguments."""


def overloads(result: str) -> str:
    """The body of a macro that gives `result` for any number of arguments."""
    parameters = [", ".join(f"p{number}" for number in range(count)) for count in range(N_PARAMETERS)]
    return ", ".join(f"({each}) AS {result}" for each in parameters)


def shadow_every_function(database: Path) -> int:
    """Create macros that fail, one for the name of each function that DuckDB has; returns how many there are."""
    names = "SELECT DISTINCT function_name FROM system.main.duckdb_functions() WHERE internal ORDER BY ALL"
    n_macros = 0
    with duckdb.connect(database) as connection:
        for (name,) in connection.execute(names).fetchall():
            quoted = '"' + name.replace('"', '""') + '"'
            text = name.replace("'", "''")
            fails = f"system.main.error('the macro {text} of the file was called')"
            for body in (overloads(fails), overloads(f"TABLE SELECT {fails} AS shadowed")):
                with contextlib.suppress(duckdb.Error):  # names that the parser keeps for itself
                    connection.execute(f"CREATE MACRO {quoted} {body}")
                    n_macros += 1
    return n_macros


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, clips, a LibriSpeech tree and a table."""
    folder = tmp_path_factory.mktemp("files")
    write_model(folder / "checkpoint")
    write_clips(folder / "clips", ("GO", "YES NO"))
    chapter = folder / "libri" / "7" / "8"
    chapter.mkdir(parents=True)
    (chapter / "7-8.trans.txt").write_text("7-8-0001 GO ON\n")
    (folder / "table.csv").write_text("a,b\n1,2\n")
    return folder


def make_database(path: Path, files: Path) -> Path:
    """A database with the table `clips` of two recordings, and `sentences`."""
    with duckdb.connect(path) as connection:
        rows = f"('{files}/clips/clip0.wav', 'go', 1), ('{files}/clips/clip1.wav', 'yes no', 2)"
        connection.execute(f"CREATE TABLE clips AS FROM (VALUES {rows}) AS v(audio_path, text, Predicted)")
        connection.execute("CREATE TABLE sentences AS SELECT unnest(['yes no', 'no yes', 'yes yes', 'no no']) AS text")
    return path


def results(database: Path, files: Path, home: Path) -> dict[str, object]:
    """What our statements and functions give: columns and rows, or the text of the error."""
    statements = (
        f"UPLOAD MODEL m FROM '{files}/checkpoint'",
        "PREDICT USING m OPTIONS (include=[error, words, confidence]) AS FROM clips",
        "PREDICT USING m OPTIONS (result_col='audio_path', include=error) AS FROM clips",
        "CREATE TABLE transcripts AS PREDICT USING m AS FROM clips",
        "FROM transcripts",
        "EVALUATE USING m OPTIONS (by='text') AS FROM clips",
        "SELECT * FROM (EVALUATE USING m AS FROM clips) WHERE metric <> 'speed'",
        "PRINT AUDIO AS FROM clips",
        "SELECT * EXCLUDE created FROM (LIST MODEL)", "LIST THANOSQL DATASET", "LIST TABLE",
        "FROM thano_predict('m', 'clips')",
        "SELECT * FROM thano_evaluate('m', 'clips') WHERE metric <> 'speed'",
        "SELECT text FROM thano_plan('m', 'clips') WHERE item IN ('rows', 'clips', 'audio_hours')",
        f"FROM thano_audio('{files}/clips')",
        "SELECT thano_audio_info(audio_path), thano_transcribe('m', audio_path) FROM clips",
        "SELECT thano_wer(text, 'no'), thano_cer(text, 'no') FROM clips",
        "SELECT thano_normalize(text), thano_wer(text, 'no') OVER () FROM clips",
        "SELECT thano_word_errors(text, 'no'), thano_char_errors(text, 'no') FROM clips",
        f"COPY audio OPTIONS () FROM '{files}/clips'",
        f"COPY audio OPTIONS (if_exists='append') FROM '{files}/clips'",
        f"COPY audio OPTIONS (overwrite=True) FROM '{files}/clips/*.wav'",
        f"COPY rows OPTIONS (overwrite=True) FROM '{files}/table.csv'",
        f"COPY rows OPTIONS (if_exists='append') FROM '{files}/table.csv'",
        """COPY records OPTIONS () FROM '[{"a": 1, "b": [{"c": 2}]}]'""",
        "FROM audio", "FROM rows", "FROM records",
        f"FROM thano_librispeech('{files}/libri')",
        "BUILD MODEL new USING m OPTIONS (epochs=1, device='cpu') AS SELECT audio_path, text FROM clips",
        "SELECT model, version, epoch FROM thano_training('new')",
        "BUILD LANGUAGE MODEL words OPTIONS (order=2) AS FROM sentences",
        "SELECT thano_perplexity(text, 'words') FROM sentences",
        "SELECT name FROM thano_models()",
        "SELECT model, predict, build, problem FROM thano_check('m')",
        "SELECT * FROM (DESCRIBE MODEL m) WHERE property = 'kind'",
        "FROM thano_functions()",
        "SELECT * EXCLUDE created FROM thano_delete_model('new')",
    )  # fmt: skip
    found: dict[str, object] = {}
    with warnings.catch_warnings(action="ignore"), thano_duckdb.connect(database, model_home=home) as con:
        for statement in statements:
            try:
                relation = con.sql(statement)
                found[statement] = relation if relation is None else (relation.columns, relation.fetchall())
            except (duckdb.Error, thano_duckdb.ThanoError) as error:
                found[statement] = f"{type(error).__name__}: {error}"
    changing = f"UPLOAD MODEL m FROM '{files}/checkpoint'", *(each for each in statements if each.startswith("BUILD"))
    return {key: str(value).replace(str(home), "home") for key, value in found.items() if key not in changing} | {
        key: isinstance(found[key], tuple) for key in changing
    }


def test_no_statement_calls_a_macro_named_as_a_function_of_duckdb(tmp_path: Path, files: Path) -> None:
    expected = results(make_database(tmp_path / "plain.duckdb", files), files, tmp_path / "home")
    errors = [each for each in expected.values() if each is False or "Error" in str(each)[:30]]
    assert not errors
    evil = make_database(tmp_path / "evil.duckdb", files)
    assert shadow_every_function(evil) > 1000
    found = results(evil, files, tmp_path / "evil home")
    assert found == {key: str(value).replace("plain", "evil") if isinstance(value, str) else value
                     for key, value in expected.items()}  # fmt: skip


ATTACKS = (
    "list_filter(a, b) AS ['text']",
    "struct_pack(audio_path, text, Predicted) AS {other}",
    "struct_pack(audio_path := 0, text := 0, Predicted := 0) AS {other}",
    "struct_extract(a, b) AS 'evil'",
    "array_extract(a, b) AS 'evil'",
    "count_star() AS system.main.error('evil')",
    "count_star() AS system.main.sum(1)",
)


@pytest.mark.parametrize("macro", ATTACKS)
def test_a_macro_changes_neither_columns_nor_files(tmp_path: Path, files: Path, macro: str) -> None:
    database = make_database(tmp_path / "evil.duckdb", files)
    statements = (
        "PREDICT USING m AS FROM clips",
        "PRINT AUDIO AS FROM clips",
        "FROM thano_predict('m', 'clips')",
        "SELECT * FROM thano_evaluate('m', 'clips') WHERE metric <> 'speed'",
        "SELECT * FROM (EVALUATE USING m AS FROM clips) WHERE metric <> 'speed'",
    )
    results = []
    for attack in (None, macro.replace("{other}", f"{{'audio_path': '{files}/clips/clip1.wav', 'text': 'evil'}}")):
        if attack is not None:
            with duckdb.connect(database) as connection:
                connection.execute(f"CREATE MACRO {attack}")
        with (
            warnings.catch_warnings(action="ignore"),
            thano_duckdb.connect(database, model_home=tmp_path / "home") as con,
        ):
            con.execute(f"UPLOAD MODEL m OPTIONS (overwrite=True) FROM '{files}/checkpoint'")
            results.append([(con.sql(each).columns, con.sql(each).fetchall()) for each in statements])
    assert results[0] == results[1]


@pytest.mark.parametrize("macro", ["count(x) AS 0", "count_star() AS 0", "arg_min(a, b) AS 'evil'"])
def test_a_macro_does_not_make_unreadable_audio_a_table(tmp_path: Path, macro: str) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.wav").write_text("no audio")
    with thano_duckdb.connect() as con:
        con.execute(f"CREATE MACRO {macro}")
        con.execute("CREATE TABLE kept AS SELECT 1 AS n")
        with pytest.raises(thano_duckdb.AudioError, match=r"a\.wav"):
            con.execute(f"COPY kept OPTIONS (overwrite=True) FROM '{tmp_path}/bad'")
        assert con.execute("FROM kept").fetchall() == [(1,)]


_BARE_CALL = re.compile(r"(?<![\w.\"])([a-z_]\w*)\(", re.IGNORECASE)
_OWN = re.compile(r"thano_\w+|unnest|COLUMNS|VALUES|FILTER|EXCLUDE|COALESCE|CAST|AS|IN|lambda", re.IGNORECASE)


def bare_calls(sql: str) -> set[str]:
    """What `sql` calls without a schema, other than our own macros and what no macro can replace."""
    code = re.sub(r"--.*|'(?:[^']|'')*'", "''", sql)
    calls = {name for name in _BARE_CALL.findall(code) if not _OWN.fullmatch(name)}
    fields = re.findall(r"[)\]]\s*\.\w+|\w\[[^\]]", code)  # x.field and x[key] call struct_extract and array_extract
    return calls | set(fields) | set(re.findall(r"COLUMNS\(lambda", code))


def test_our_macros_call_functions_by_their_full_names() -> None:
    macros = sql_folder().joinpath("macros.sql").read_text(encoding="utf-8")
    bodies = re.sub(r"MACRO \w+\(", "MACRO ", macros)
    assert bare_calls(bodies) == set()
    assert bare_calls("SELECT count(*), system.main.arg_min(a, b), f(x).y, COLUMNS(lambda c: c)") == {
        "count", "f", ").y", "COLUMNS(lambda",
    }  # fmt: skip
