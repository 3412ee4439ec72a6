"""`SET thano_<name> = value` changes the defaults of our options for one connection."""

from __future__ import annotations

import json

import duckdb
import pytest

import thano_duckdb
from thano_duckdb import DialectError, RegistryError, ThanoError


def timeout(con: thano_duckdb.Connection) -> float | None:
    return con.read_limits.timeout_s


def test_a_setting_holds_until_it_is_reset() -> None:
    with thano_duckdb.connect(timeout=5) as con:
        assert con.execute("SET thano_timeout = 9").fetchall() == [("thano_timeout", "9.0")]
        assert timeout(con) == 9
        con.sql("SET SESSION thano_timeout TO NULL")
        assert timeout(con) is None
        con.execute("RESET thano_timeout; SELECT 1")
        assert timeout(con) == 5


def test_a_setting_holds_for_the_rest_of_a_script_and_within_a_transaction() -> None:
    with thano_duckdb.connect() as con:
        con.execute("BEGIN")
        con.execute("SET thano_timeout = 9; SELECT 1")
        con.execute("ROLLBACK")
        assert timeout(con) == 9


def test_the_name_of_a_setting_may_be_in_quotes() -> None:
    with thano_duckdb.connect(timeout=5) as con:
        assert con.execute('SET "thano_timeout" = 9').fetchall() == [("thano_timeout", "9.0")]
        assert timeout(con) == 9
        con.execute('RESET SESSION "Thano_Timeout"')
        assert timeout(con) == 5
        con.execute("SET 'thano_timeout' TO 7; SET thano_timeout = default")
        assert timeout(con) == 5


def test_later_cursors_have_the_settings_and_other_connections_do_not() -> None:
    with thano_duckdb.connect() as con, con.cursor() as earlier:
        con.execute("SET thano_timeout = 9")
        with con.cursor() as later:
            assert (timeout(earlier), timeout(later)) == (300, 9)
            later.execute("RESET thano_timeout")
            assert (timeout(con), timeout(later)) == (9, 300)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SET thano_timeuot = 9", "there is no setting 'thano_timeuot'. Did you mean 'thano_timeout'?"),
        ("RESET thano_xyz", "The settings are thano_cache, "),
        ("SET thano_timeout", "SET thano_timeout is followed by = and a value, not the end of the statement"),
        ("SET thano_timeout = -1", "The option 'timeout' must be a number of seconds above 0, not -1"),
        ("SET thano_cache = 'on'", "The option 'cache' must be True, False or the name of a schema, not 'on'"),
        ("SET GLOBAL thano_cache = True", "Each connection has its own thano settings: write SET without GLOBAL"),
        ('SET GLOBAL "thano_cache" = True', "Each connection has its own thano settings: write SET without GLOBAL"),
        ("RESET GLOBAL thano_cache", "Each connection has its own thano settings: write RESET without GLOBAL"),
        ('SET "thano_timeuot" = 9', "there is no setting 'thano_timeuot'. Did you mean 'thano_timeout'? (line 1, col"),
        ('RESET "thano_timeout', "This name is never closed"),
        ('SET "thano_timeout" 9', "SET thano_timeout is followed by = and a value, not '9'"),
        ("SET thano_cache = True now", "Unexpected 'now' at the end of the statement"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(sql: str, message: str) -> None:
    with thano_duckdb.connect() as con:
        with pytest.raises(DialectError) as caught:
            con.execute(sql)
        assert message in str(caught.value)
        assert timeout(con) == 300


def test_a_view_cannot_change_a_setting() -> None:
    with thano_duckdb.connect() as con:
        con.execute("CREATE VIEW sly AS SELECT 1 AS x")
        con.execute("CREATE OR REPLACE VIEW sly AS FROM thano_set('timeout', '9')")
        with pytest.raises(RegistryError, match="settings are changed only by a statement that says so itself"):
            con.sql("FROM sly").fetchall()
        assert timeout(con) == 300


@pytest.mark.parametrize("value", ["soon", "[1]", '"soon"'])
def test_the_function_behind_it_checks_the_value_too(value: str) -> None:
    with thano_duckdb.connect() as con, pytest.raises(ThanoError):
        con.execute(f"FROM thano_set('timeout', '{value}')")


def test_a_plain_connection_calls_the_function_behind_it() -> None:
    con = thano_duckdb.load(duckdb.connect())
    [(name, value)] = con.sql("FROM thano_set('cache', '\"my_schema\"')").fetchall()
    assert (name, json.loads(value)) == ("thano_cache", "my_schema")
    con.close()
