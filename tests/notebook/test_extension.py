"""Loading, unloading, and the connections that a notebook may have."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlparse
from sql.connection import ConnectionManager

import thano_duckdb
from tests.notebook.conftest import Notebook
from thano_duckdb import ThanoError

OURS = "LIST THANOSQL MODEL"


@pytest.mark.parametrize("first", ["%load_ext sql\n%load_ext thano_duckdb", "%load_ext thano_duckdb\n%load_ext sql"])
def test_either_extension_may_be_loaded_first(bare_notebook: Notebook, first: str) -> None:
    bare_notebook.run(first)
    assert len(bare_notebook.run(f"%%sql\n{OURS}")) > 0


def test_the_default_connection_is_a_variable(notebook: Notebook) -> None:
    notebook.run("%sql CREATE TEMP TABLE t AS SELECT 1 AS i")
    assert notebook.run("thano.sql('FROM t').fetchall()") == [(1,)]


def test_loading_does_not_overwrite_a_variable_called_thano(bare_notebook: Notebook) -> None:
    bare_notebook.run("thano = 'mine'\n%load_ext thano_duckdb")
    assert bare_notebook.variables["thano"] == "mine"


@pytest.mark.parametrize("how", ["duckdb", "thano_duckdb"])
def test_a_connection_of_the_user_can_be_used(notebook: Notebook, how: str) -> None:
    connect: dict[str, Callable[[], Any]] = {"duckdb": duckdb.connect, "thano_duckdb": thano_duckdb.connect}
    con = connect[how]()
    con.execute("CREATE TEMP TABLE mine AS SELECT 7 AS i")
    notebook.variables["con"] = con
    notebook.run("%sql con")
    assert list(notebook.run("%sql FROM mine")) == [(7,)]
    assert len(notebook.run(f"%%sql con\n{OURS}")) > 0
    notebook.run("%unload_ext thano_duckdb")
    assert con.execute("FROM mine").fetchall() == [(7,)]
    con.close()


def test_a_connection_that_jupysql_already_has_can_be_used(bare_notebook: Notebook) -> None:
    bare_notebook.run("import duckdb\ncon = duckdb.connect()\n%load_ext sql\n%sql con --alias con")
    bare_notebook.run("%load_ext thano_duckdb\n%sql con")
    assert len(bare_notebook.run(f"%%sql\n{OURS}")) > 0


def test_a_variable_may_be_given_another_connection(notebook: Notebook) -> None:
    for number in (1, 2):
        notebook.run(f"import duckdb\ncon = duckdb.connect()\ncon.execute('CREATE TABLE t AS SELECT {number} AS i')")
        assert list(notebook.run("%%sql con\nFROM t")) == [(number,)]


@pytest.mark.parametrize("name", ["my.duckdb", "duckdb:///my.duckdb"])
def test_a_database_file_can_be_opened_by_its_name(notebook: Notebook, tmp_path: Path, name: str) -> None:
    notebook.run(f"%sql {name}")
    notebook.run("%sql CREATE TABLE kept AS SELECT 3 AS i")
    notebook.run("%sql thano")
    assert notebook.try_to("%sql FROM kept").error is not None
    assert list(notebook.run(f"%%sql {name}\nFROM kept")) == [(3,)]
    notebook.run(f"%sql --close {name}")
    with duckdb.connect(str(tmp_path / "my.duckdb")) as con:
        assert con.execute("FROM kept").fetchall() == [(3,)]


def test_connections_have_aliases(notebook: Notebook) -> None:
    notebook.run("%sql :memory: --alias other")
    notebook.run("%sql CREATE TABLE here AS SELECT 1 AS i")
    notebook.run("%sql thano")
    assert list(notebook.run("%%sql other\nFROM here")) == [(1,)]


def test_unloading_gives_sql_back_to_jupysql(notebook: Notebook) -> None:
    notebook.run("%unload_ext thano_duckdb")
    assert "thano" not in notebook.variables
    assert (
        notebook.try_to("%thanosql LIST MODEL").error is not None
        or "not found" in notebook.try_to("%thanosql x").stderr
    )
    assert ConnectionManager.current is None
    notebook.run("import duckdb\ncon = duckdb.connect()\n%sql con")
    assert list(notebook.run("%sql SELECT 1")) == [(1,)]
    assert notebook.try_to(f"%%sql\n{OURS}").error is not None
    notebook.run("%load_ext thano_duckdb\n%sql con")
    assert len(notebook.run(f"%%sql\n{OURS}")) > 0


@pytest.mark.parametrize(
    "cell",
    [
        "%load_ext thano_duckdb\n%unload_ext thano_duckdb",
        "{load}\n{load}\n{unload}",
        "{load}\n{unload}\n{unload}",
        "%load_ext thano_duckdb\n%reload_ext thano_duckdb\n%sql SELECT 1\n%unload_ext thano_duckdb",
    ],
    ids=["once", "loaded twice", "unloaded twice", "reloaded"],
)
def test_unloading_restores_what_loading_changed(
    bare_notebook: Notebook, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    logger = logging.getLogger("sqlglot")
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setattr(sqlparse.engine.grouping, "MAX_GROUPING_TOKENS", 123)
    show = warnings.showwarning
    bare_notebook.variables["thano_duckdb"] = thano_duckdb
    shell = "get_ipython()"
    bare_notebook.run(
        cell.format(
            load=f"thano_duckdb.load_ipython_extension({shell})",
            unload=f"thano_duckdb.unload_ipython_extension({shell})",
        )
    )
    assert logger.level == logging.INFO
    assert sqlparse.engine.grouping.MAX_GROUPING_TOKENS == 123
    assert warnings.showwarning is show


def test_reloading_keeps_the_connection_and_its_tables(notebook: Notebook) -> None:
    con = notebook.variables["thano"]
    notebook.run("%sql CREATE TEMP TABLE t AS SELECT 1 AS i")
    for _ in range(2):
        notebook.run("%reload_ext thano_duckdb")
        assert notebook.variables["thano"] is con
        assert list(notebook.run("%sql FROM t")) == [(1,)]
        assert len(notebook.run(f"%%sql\n{OURS}")) > 0


def test_reloading_keeps_which_connection_is_current(notebook: Notebook) -> None:
    notebook.run("%sql CREATE TEMP TABLE t AS SELECT 1 AS i\n%sql :memory: --alias other")
    notebook.run("%sql CREATE TABLE here AS SELECT 2 AS i")
    notebook.run("%reload_ext thano_duckdb")
    assert list(notebook.run("%sql FROM here")) == [(2,)]
    assert list(notebook.run("%%sql thano\nFROM t")) == [(1,)]


@pytest.mark.parametrize("close", ["%sql --close thano", "thano.close()"])
def test_reloading_replaces_a_closed_connection(notebook: Notebook, close: str) -> None:
    notebook.run(close)
    notebook.run("%reload_ext thano_duckdb")
    assert notebook.run("%sql SELECT 1").dict() == {"1": (1,)}
    assert notebook.run("thano.sql('SELECT 2').fetchall()") == [(2,)]


def test_unloading_closes_the_connection_when_the_cell_ends(notebook: Notebook) -> None:
    con = notebook.variables["thano"]
    notebook.run("%unload_ext thano_duckdb")
    with pytest.raises(duckdb.ConnectionException):
        con.sql("SELECT 1")


def test_unloading_leaves_what_the_user_called_thano(bare_notebook: Notebook) -> None:
    bare_notebook.run("thano = 'mine'\n%load_ext thano_duckdb")
    bare_notebook.run("%unload_ext thano_duckdb")
    assert bare_notebook.variables["thano"] == "mine"


@pytest.mark.parametrize("cell", ["%sql SELECT 1", "%%sql\nSELECT 1", "%sql LIST MODEL", "%sql x << SELECT 1"])
@pytest.mark.parametrize("others", ["", "%sql :memory: --alias other\n%sql thano"])
def test_after_the_current_connection_is_closed_a_cell_says_how_to_open_one(
    notebook: Notebook, cell: str, others: str
) -> None:
    notebook.run(f"{others}\n%sql --close thano")
    ran = notebook.try_to(cell)
    (line,) = ran.stderr.strip().splitlines()
    assert line.startswith("UsageError: No active connection: ")
    assert ("%sql other" in line) is bool(others)
    notebook.run("%sql other" if others else "%sql duckdb://")
    notebook.run(cell)


def test_without_a_connection_what_is_no_name_of_one_is_explained_by_jupysql(notebook: Notebook) -> None:
    notebook.run("%sql --close thano\nimport duckdb; connections = [duckdb.connect()]")
    ran = notebook.try_to("%sql connections[0]")
    assert "'connections[0]' is not a valid connection identifier" in ran.stderr


def test_a_connection_of_jupysqls_that_was_closed_does_not_stay_the_current_one(bare_notebook: Notebook) -> None:
    bare_notebook.run("import duckdb\ncc = duckdb.connect()\n%load_ext sql\n%sql cc --alias cc\n%sql --close cc")
    bare_notebook.run("%load_ext thano_duckdb")
    assert len(bare_notebook.run(f"%%sql\n{OURS}")) > 0


def test_current_connection_says_which_other_database_is_current(notebook: Notebook) -> None:
    notebook.run("%sql sqlite://")
    with pytest.raises(ThanoError, match=r"current connection is sqlite: switch to DuckDB first, with %sql thano$"):
        thano_duckdb.current_connection()
    notebook.run("%sql sqlite:// --alias lite")
    with pytest.raises(ThanoError, match="is 'lite': "):
        thano_duckdb.current_connection()
    notebook.run("%sql --close thano")
    with pytest.raises(ThanoError, match="with %sql duckdb://"):
        thano_duckdb.current_connection()
    notebook.run("%sql --close lite")
    with pytest.raises(ThanoError, match="No active connection"):
        thano_duckdb.current_connection()


def test_current_connection_takes_one_that_jupysql_had(bare_notebook: Notebook) -> None:
    bare_notebook.run("import duckdb\ncon = duckdb.connect()\n%load_ext sql\n%sql con --alias con")
    bare_notebook.run("%load_ext thano_duckdb")
    assert thano_duckdb.current_connection().raw is bare_notebook.variables["con"]
