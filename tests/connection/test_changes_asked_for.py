"""A statement that changes models allows the change that it says, and a view or a macro that it uses no other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_clips, write_model

REFUSED = "changed only by a statement that says so"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, and clips."""
    folder = tmp_path_factory.mktemp("files")
    write_model(folder / "checkpoint")
    write_clips(folder / "clips", ("GO", "YES NO"))
    return folder


@pytest.fixture
def con(tmp_path: Path, files: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with the models `prod` and `old`, and the table `good`, on a file that somebody else made."""
    database = tmp_path / "evil.duckdb"
    with duckdb.connect(database) as attacker:
        rows = f"('{files}/clips/clip0.wav', 'go'), ('{files}/clips/clip1.wav', 'yes no')"
        attacker.execute(f"CREATE TABLE good AS FROM (VALUES {rows}) AS v(audio_path, text)")
    with thano_duckdb.connect(database, model_home=tmp_path / "home") as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("prod", "old"):
            connection.execute(f"UPLOAD MODEL {name} FROM '{files}/checkpoint'")
        yield connection


def models(con: thano_duckdb.Connection) -> list[tuple[str, int]]:
    return con.execute("SELECT name, version FROM (LIST MODEL) ORDER BY ALL").fetchall()


BEFORE = [("old", 1), ("prod", 1)]


def evil_view(con: thano_duckdb.Connection, call: str, *, is_table: bool = True) -> None:
    """Make `clips` a view that gives good rows and calls something on the way."""
    calls = f"(SELECT count(*) FROM {call})" if is_table else f"(SELECT len({call}) FROM good)"
    con.execute(f"CREATE OR REPLACE VIEW clips AS SELECT audio_path, text FROM good WHERE {calls} >= 0")


def evil_build(name: str, options: str = '{"overwrite": true, "epochs": 1, "device": "cpu"}') -> str:
    return f"thano_build('{name}', 'old', '{options}', {{'audio': audio_path, 'text': 'evil'}})"


@pytest.mark.parametrize(
    "statement",
    [
        "BUILD MODEL mine USING old OPTIONS (epochs=1, device='cpu') AS SELECT * FROM clips",
        "FIT MODEL mine USING old OPTIONS (epochs=1, device='cpu') AS SELECT * FROM clips",
        "BUILD MODEL prod USING old OPTIONS (epochs=2, overwrite=True) AS SELECT * FROM clips",
        "SELECT thano_build('mine', 'old', '{}', {'audio': audio_path, 'text': text}) FROM clips",
        "SELECT thano_build($1, 'prod', '{}', {'audio': audio_path, 'text': text}) FROM clips",
        "SELECT * FROM clips -- not thano_build('prod')!",
        "SELECT *, 'thano_build(' FROM clips",
        'SELECT 1 AS "thano_build", * FROM clips',
    ],
)
def test_a_build_allows_no_view_to_build_another_model(con: thano_duckdb.Connection, statement: str) -> None:
    evil_view(con, evil_build("prod"), is_table=False)
    with pytest.raises(thano_duckdb.RegistryError, match=REFUSED):
        con.execute(statement, ["mine"] if "$1" in statement else None)
    assert models(con) == BEFORE


@pytest.mark.parametrize(
    ("call", "statement"),
    [
        ("thano_delete_model('prod')", "SELECT * FROM clips, thano_delete_model('old')"),
        ("thano_delete_model('prod')", "SELECT * FROM clips -- thano_delete_model('prod')"),
        ("thano_delete_model('prod')", "SELECT *, $$thano_delete_model('prod')$$ FROM clips"),
        ("thano_delete_model('prod', true)", "SELECT * FROM clips, thano_delete_model('prod', if_exists := false)"),
        ("thano_upload_model('old', '{files}/checkpoint', '{\"overwrite\": true}')",
         "SELECT * FROM clips, thano_upload_model('old', '{files}/checkpoint')"),
        ("thano_upload_model('prod', '{files}/checkpoint', '{\"overwrite\": true}')",
         "BUILD MODEL mine USING old AS FROM clips"),
        ("thano_get_model('Wav2Vec2TinyEn')", "BUILD MODEL mine USING old AS FROM clips"),
        ("thano_get_dataset('telephone_data')", "SELECT * FROM clips, thano_get_dataset('librispeech_data')"),
        ("thano_upload_language_model('words', '{files}/x')", "BUILD LANGUAGE MODEL words AS FROM clips"),
        ("(SELECT thano_build_language_model('en2', '{}', text) FROM good)",
         "BUILD LANGUAGE MODEL words AS FROM clips"),
    ],
)  # fmt: skip
def test_what_a_statement_says_it_allows_for_the_same_arguments_only(
    con: thano_duckdb.Connection,
    files: Path,
    call: str,
    statement: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    evil_view(con, call.replace("{files}", str(files)))
    with pytest.raises(thano_duckdb.RegistryError, match=REFUSED):
        con.execute(statement.replace("{files}", str(files)))
    assert {name for name, _ in models(con)} >= {"prod"}
    assert {name for name, _ in models(con)} <= {"prod", "old"}
    assert not (tmp_path / "tutorial_data" / "telephone_data").exists()


def test_a_view_that_takes_the_change_of_a_build_for_itself_makes_it_fail(con: thano_duckdb.Connection) -> None:
    options = '{"device": "cpu", "epochs": 1, "overwrite": true}'
    evil_view(con, evil_build("mine", options), is_table=False)
    build = "BUILD MODEL mine USING old OPTIONS (epochs=1, device='cpu', overwrite=True) AS SELECT * FROM clips"
    with pytest.raises(thano_duckdb.RegistryError, match="more often than the statement says"):
        con.execute(build)


@pytest.mark.parametrize(
    "run",
    [
        lambda con, script: con.execute(script).fetchall(),
        lambda con, script: con.sql(script).fetchall(),
        lambda con, script: con.executemany(script, [[], []]),
    ],
    ids=["execute", "sql", "executemany"],
)
@pytest.mark.parametrize(
    "script",
    [
        "DELETE MODEL old; SELECT * FROM clips",
        "SELECT * FROM clips; DELETE MODEL prod",
        "DELETE MODEL old; CREATE TABLE t AS PREDICT USING prod AS SELECT * FROM clips; SELECT 1",
        "CREATE VIEW again AS SELECT * FROM thano_delete_model('prod'); SELECT * FROM again",
        "CREATE OR REPLACE VIEW clips AS FROM thano_delete_model('prod'); DESCRIBE SELECT 1; FROM clips; SELECT 1",
    ],
)
def test_one_statement_of_a_script_allows_nothing_to_another(
    con: thano_duckdb.Connection, script: str, run: Callable[[thano_duckdb.Connection, str], object]
) -> None:
    evil_view(con, "thano_delete_model('prod')")
    with pytest.raises(thano_duckdb.RegistryError, match=REFUSED):
        run(con, script)
    assert ("prod", 1) in models(con)


def test_a_script_runs_as_before(con: thano_duckdb.Connection, files: Path) -> None:
    script = f"""
        CREATE TABLE n AS SELECT 1 AS i; FROM n;
        UPLOAD MODEL new FROM '{files}/checkpoint'; -- a comment; with a semicolon
        PREDICT USING new AS FROM good;
        DELETE MODEL old;
        INSERT INTO n SELECT 2;
        SELECT name FROM (LIST MODEL) WHERE name <> $1;
    """
    assert con.execute(script, ["prod"]).fetchall() == [("new",)]
    assert con.sql("FROM n").fetchall() == [(1,), (2,)]
    assert con.sql("DELETE MODEL new; SELECT name FROM (LIST MODEL)").fetchall() == [("prod",)]


def test_an_error_within_a_script_is_at_its_line_and_column(con: thano_duckdb.Connection) -> None:
    with pytest.raises(thano_duckdb.DialectError) as raised:
        con.execute("DELETE MODEL old;\nSELECT 1; PREDICT USING nobody AS FROM good;\nSELECT 2")
    assert (raised.value.line, raised.value.column) == (2, 25)


def test_nothing_of_a_script_runs_that_cannot_be_read(con: thano_duckdb.Connection) -> None:
    for script in ("DELETE MODEL old; SELEC 1", "DELETE MODEL old; BUILD MODEL x"):
        with pytest.raises((duckdb.ParserException, thano_duckdb.DialectError)):
            con.execute(script)
    assert models(con) == BEFORE


def test_the_lineage_names_the_statement_and_not_the_script(con: thano_duckdb.Connection) -> None:
    build = "BUILD MODEL mine USING old OPTIONS (epochs=1, device='cpu') AS FROM good"
    con.execute(f"SELECT 1;\n{build}; SELECT 2")
    ((path,),) = con.execute("SELECT path FROM (LIST MODEL) WHERE name = 'mine'").fetchall()
    lineage = Path(path, "thano.json").read_text()
    assert build in lineage
    assert "SELECT 1" not in lineage


@pytest.mark.parametrize(
    "statement",
    [
        "FROM thano_delete_model('prod')",
        "FROM \"thano_delete_model\" ('prod')",
        "FROM THANO_DELETE_MODEL($$prod$$, if_exists := true)",
        "FROM thano_delete_model(name := 'prod')",
        "FROM thano_delete_model('pr' || 'od')",
        "FROM thano_delete_model(?)",
        "FROM /* which? */ thano_delete_model -- this\n ('prod')",
        "CREATE TABLE deleted AS FROM thano_delete_model('prod'); FROM deleted",
    ],
)
def test_a_call_in_the_text_changes_models(con: thano_duckdb.Connection, statement: str) -> None:
    assert len(con.execute(statement, ["prod"] if "?" in statement.splitlines()[0][-3:] else None).fetchall()) == 1
    assert models(con) == [("old", 1)]
