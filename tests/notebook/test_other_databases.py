"""Connections to other databases beside ours: JupySQL gets every line that is not surely ours, as it is written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.notebook.conftest import Notebook
from thano_duckdb.notebook.magics import ThanoMagics

OURS = "LIST THANOSQL MODEL"
IS_SQLITE = "SELECT sqlite_version() > '3' AS is_sqlite"


def is_sqlite(notebook: Notebook, head: str = "") -> bool:
    """Whether the next cell runs on SQLite."""
    return notebook.try_to(f"%%sql {head}\n{IS_SQLITE}").error is None


@pytest.fixture(autouse=True)
def variables(notebook: Notebook) -> None:
    """An engine, a connection of sqlite3's, and a data frame."""
    notebook.run(
        "import sqlite3\nimport pandas as pd\nfrom sqlalchemy import create_engine\n"
        "engine = create_engine('sqlite://')\nlite = sqlite3.connect(':memory:')\nframe = pd.DataFrame({'a': [1, 2]})"
    )


@pytest.mark.parametrize(
    "cell",
    [
        "%sql sqlite:///a.db",
        "%sql sqlite:///a.db --alias a",
        "%sql --alias a sqlite:///a.db",
        "%sql sqlite://",
        "%sql sqlite:///my.duckdb",
        "%sql engine",
        "%sql engine --alias one",
        "%sql lite",
        "%sql lite --alias two",
        "%sql $OTHER_DATABASE",
        "%%sql sqlite://\nSELECT 1",
        "%%sql\nsqlite://\nSELECT 1",
        "%%sql\n\nsqlite:///a.db SELECT 1",
        "%sql sqlite:// SELECT 1",
        "%sql --persist sqlite:// frame",
        "%sql sqlite:// --connection_arguments '{\"timeout\": 3}'",
    ],
)
def test_a_connection_of_another_database_is_jupysqls(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    monkeypatch.setenv("OTHER_DATABASE", "sqlite:///other.db")
    notebook.run(cell)
    assert is_sqlite(notebook)
    notebook.run("%sql thano")
    assert not is_sqlite(notebook)


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        ("sqlite://  --alias   'a'", None),
        ("engine", None),
        ("--persist   sqlite://  frame", None),
        ("sqlite://", "\n  SELECT  'it''s' -- : {{x}};\n\n"),
        ("", "  sqlite://\nSELECT 1;\n"),
        ("-arg", "SELECT 1"),
        ("--alias x --unknown", "SELECT 1"),
        ("duckdb:// --alias x -A y", None),
        ("-l", None),
        ("--close  sqlite://", None),
        ("--section other", None),
    ],
)
def test_jupysql_gets_the_line_byte_for_byte(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, line: str, cell: str | None
) -> None:
    magics = notebook.shell.magics_manager.registry[ThanoMagics.__name__]
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(magics, "_jupysql", lambda *arguments, local_ns: calls.append(arguments))
    magics.sql(line, cell) if cell is not None else magics.sql(line)
    assert calls == [(line,) if cell is None else (line, cell)]


def test_the_cells_that_follow_go_to_jupysql_too(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook.run("%sql sqlite://")
    test_jupysql_gets_the_line_byte_for_byte(notebook, monkeypatch, "--save  x", " SELECT 1 ;\n-- end")


@pytest.mark.parametrize("cell", ["commit;", "rollback;", "COMMIT", " rollback ; "])
def test_the_end_of_a_transaction_that_nobody_began_is_no_error(notebook: Notebook, cell: str) -> None:
    assert notebook.run(f"%sql {cell}").keys == ["Success"]
    assert notebook.run(f"%%sql\n{cell}").keys == ["Success"]


def test_a_transaction_ends(notebook: Notebook) -> None:
    notebook.run("%sql CREATE TABLE t (i INTEGER)")
    notebook.run("%%sql\nBEGIN;\nINSERT INTO t VALUES (1)")
    notebook.run("%sql rollback;")
    assert list(notebook.run("%sql FROM t")) == []


def test_an_alias_comes_before_a_variable_as_in_jupysql(notebook: Notebook) -> None:
    notebook.run("%sql sqlite:// --alias both")
    notebook.run("import duckdb\nboth = duckdb.connect()\n%sql thano\n%sql both")
    assert is_sqlite(notebook)


def test_a_variable_may_be_given_a_connection_to_another_database(notebook: Notebook) -> None:
    notebook.run("import duckdb\ncon = duckdb.connect()\n%sql con")
    notebook.run("con.close()\ncon = create_engine('sqlite://')\n%sql con")
    assert is_sqlite(notebook)


def test_a_variable_that_holds_a_connection_can_be_assigned_to(notebook: Notebook) -> None:
    notebook.run("import duckdb\ncon = duckdb.connect()")
    notebook.run("%sql con << SELECT 1 AS i")
    notebook.run("%sql lite << SELECT 2 AS i")
    assert (list(notebook.variables["con"]), list(notebook.variables["lite"])) == ([(1,)], [(2,)])


# Database files


def make_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (i INTEGER)")
    connection.close()


@pytest.mark.parametrize("name", ["mine.duckdb", "mine.db", "mine.ddb", "mine.data", "'my file.db'"])
def test_a_file_of_duckdb_is_opened_whatever_its_suffix(notebook: Notebook, name: str) -> None:
    with duckdb.connect(name.strip("'")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 3 AS i")
    notebook.run(f"%sql {name} --alias it")
    assert list(notebook.run("%sql FROM kept")) == [(3,)]
    notebook.run("%sql --close it")


@pytest.mark.parametrize("name", ["notes.db", "notes.sqlite", "notes.duckdb"])
def test_a_file_of_sqlite_is_not_opened_as_duckdb(notebook: Notebook, tmp_path: Path, name: str) -> None:
    make_sqlite(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    for current in ("thano", "sqlite://"):
        notebook.run(f"%sql {current}")
        for cell in (f"%sql {name}", f"%%sql {name}\nCREATE TABLE u (i INTEGER)"):
            ran = notebook.try_to(cell)
            assert f"write %sql sqlite:///{name}" in ran.stderr
    assert (tmp_path / name).read_bytes() == before
    notebook.run(f"%sql sqlite:///{name}")
    assert list(notebook.run("%sql SELECT * FROM t")) == []


def test_a_new_file_is_made_only_where_its_name_says_duckdb(notebook: Notebook, tmp_path: Path) -> None:
    ran = notebook.try_to("%sql new.db")
    assert "write %sql duckdb:///new.db" in ran.stderr
    assert not (tmp_path / "new.db").exists()
    notebook.run("%sql duckdb:///new.db")
    notebook.run("%sql new.duckdb")
    assert (tmp_path / "new.db").exists()
    assert (tmp_path / "new.duckdb").exists()


@pytest.mark.parametrize("body", ["duckdb:///new.db\nSELECT 1", "\n duckdb:///new.db SELECT 1;"])
def test_a_url_may_be_the_first_line_of_the_body(notebook: Notebook, tmp_path: Path, body: str) -> None:
    notebook.run("%sql sqlite://")
    assert list(notebook.run(f"%%sql\n{body}")) == [(1,)]
    assert len(notebook.run(f"%%sql\n{OURS}")) > 0
    assert (tmp_path / "new.db").exists()


def test_a_url_takes_settings_of_duckdb(notebook: Notebook, tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "old.duckdb")).close()
    notebook.run("%sql duckdb:///old.duckdb?access_mode=read_only")
    assert "read-only" in notebook.try_to("%sql CREATE TABLE t (i INTEGER)").stderr


def test_jupysql_announces_what_it_connects_to_and_so_do_we(notebook: Notebook) -> None:
    assert "switching to connection 'one'" in announced(notebook, "%sql duckdb:// --alias one")
    assert "Switching to connection 'thano'" in announced(notebook, "%sql thano")
    notebook.run("%config SqlMagic.feedback = 0")
    assert announced(notebook, "%sql one") == ""
    notebook.run("%config SqlMagic.feedback = 1")


def announced(notebook: Notebook, cell: str) -> str:
    ran = notebook.try_to(cell)
    return "".join(output.data.get("text/plain", "") for output in ran.displayed) + ran.stdout


# Our statements on another database


@pytest.mark.parametrize("connect", ["%sql sqlite://", "%sql engine", "%sql lite"])
@pytest.mark.parametrize(
    "statement",
    [OURS, "PREDICT USING m AS SELECT 1", "WITH a AS (SELECT 1) PREDICT USING m AS FROM a", "PREDICT USING"],
)
def test_our_statements_on_another_database_get_one_sentence(notebook: Notebook, connect: str, statement: str) -> None:
    notebook.run(connect)
    for cell in (f"%%sql\n{statement}", f"%sql {statement}", f"%thanosql {statement}"):
        ran = notebook.try_to(cell)
        (line,) = ran.stderr.strip().splitlines()
        assert "runs on DuckDB only" in line
        assert "%sql" in line
    assert "sqlite://" in notebook.try_to(f"%%sql sqlite://\n{OURS}").stderr


def test_errors_of_another_database_stay_as_jupysql_shows_them(notebook: Notebook) -> None:
    notebook.run("%sql sqlite://")
    ran = notebook.try_to("%sql SELECT * FROM nowhere")
    assert "no such table: nowhere" in ran.stderr
    assert "DuckDB" not in ran.stderr


def test_a_duckdb_connection_that_jupysql_opened_runs_our_statements(bare_notebook: Notebook) -> None:
    bare_notebook.run("%unload_ext thano_duckdb\n%load_ext sql\nimport duckdb\ncon = duckdb.connect()\n%sql con")
    bare_notebook.run("%load_ext thano_duckdb")
    assert len(bare_notebook.run(f"%%sql\n{OURS}")) > 0


# From Python


@pytest.mark.parametrize("name", ["my.duckdb", "duckdb://", "my.duckdb --alias lab", "thano"])
def test_the_current_connection_is_available_in_python(notebook: Notebook, name: str) -> None:
    notebook.run(f"%sql {name}")
    notebook.run("%sql CREATE TEMP TABLE t AS SELECT 4 AS i")
    con = thano_duckdb.current_connection()
    assert con.sql("FROM t").fetchall() == [(4,)]
    assert con.sql(OURS).fetchall()


def test_there_is_no_current_connection_on_another_database(notebook: Notebook) -> None:
    notebook.run("%sql sqlite://")
    with pytest.raises(thano_duckdb.ThanoError, match="the current connection is sqlite"):
        thano_duckdb.current_connection()


def test_pages_and_variables_are_those_of_the_cell_after_a_reload(notebook: Notebook) -> None:
    notebook.run("%reload_ext thano_duckdb\nimport pandas as pd\nmine = pd.DataFrame({'a': [7]})")
    assert list(notebook.run("%sql FROM mine")) == [(7,)]


# Saved queries under statements that are no query


@pytest.mark.parametrize("head", ["CREATE TABLE t AS", "EXPLAIN", "INSERT INTO u"])
def test_a_saved_query_under_another_statement_is_refused_as_jupysql_refuses_it(notebook: Notebook, head: str) -> None:
    notebook.run("%sql CREATE TABLE u (audio_path VARCHAR, predicted VARCHAR)")
    notebook.run("%%sql --save two --no-execute\nSELECT 'a.wav' AS audio_path")
    for body in ("SELECT audio_path, '' AS predicted FROM two", "PREDICT USING Wav2Vec2TinyEn AS SELECT * FROM two"):
        ran = notebook.try_to(f"%%sql\n{head} {body}")
        assert "you may pass the --with argument explicitly" in ran.stderr
    assert "snippets only work with SELECT queries" in announced(notebook, f"%%sql\n{head} {body}")


def test_a_saved_query_is_suggested_for_a_misspelt_table(notebook: Notebook) -> None:
    notebook.run("%%sql --save best_calls --no-execute\nSELECT 1")
    assert "Did you mean the saved query 'best_calls'?" in notebook.try_to("%sql FROM best_call").stderr


def test_jupysqls_magic_is_found_under_the_name_sql(notebook: Notebook) -> None:
    magic = notebook.shell.find_magic("sql").__self__
    assert magic.displaylimit == 10
