"""thano_audio and COPY: what is listed of a folder, what is an error, and that a table is never emptied by mistake."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from thano_duckdb import AudioError, DialectError, ThanoError, ThanoWarning


@pytest.fixture
def folder(tmp_path: Path, an4_clip: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with folders whose names DuckDB would take for patterns or files."""
    for name in ("calls [2024]", "calls.2024", "all*", "v1.5 of May", "deep/er"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(an4_clip, tmp_path / name / "a.wav")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["calls [2024]", "calls.2024", "all*", "v1.5 of May", "deep", "deep/er/", "./deep"])
def test_a_folder_that_exists_is_never_a_pattern(con: thano_duckdb.Connection, folder: Path, name: str) -> None:
    assert len(con.sql(f"SELECT audio_path FROM thano_audio('{name}') WHERE error IS NULL").fetchall()) == 1
    con.execute(f"COPY t OPTIONS (overwrite=True) FROM '{name}'")
    ((path,),) = con.sql("SELECT audio_path FROM t").fetchall()
    assert (folder / path).is_file()


@pytest.mark.parametrize("name", ["nosuch", "nosuch.wav", "nosuch*", "calls [2025]", "empty", "deep/*.flac"])
@pytest.mark.parametrize("statement", ["COPY t OPTIONS (overwrite=True) FROM '{}'", "FROM thano_audio('{}')"])
@pytest.mark.usefixtures("folder")
def test_nothing_found_is_an_error_and_the_old_table_stays(
    con: thano_duckdb.Connection, name: str, statement: str
) -> None:
    con.execute("CREATE TABLE t AS SELECT 42 AS kept")
    with pytest.raises(AudioError) as caught:
        con.execute(statement.format(name)).fetchall()
    assert f"'{name}'" in str(caught.value)
    assert con.sql("FROM t").fetchall() == [(42,)]


UNUSABLE = ["zero.csv", "list.json", "spaces.csv", "zero*.csv", "zero.jsonl", "zero.json", "m4a only", "text.wav"]


@pytest.fixture
def unusable(folder: Path) -> None:
    """Files that exist, and of which no table can be made."""
    for name in ("zero.csv", "zero 2.csv", "zero.json", "zero.jsonl"):
        (folder / name).touch()
    (folder / "spaces.csv").write_text(" \n\n")
    (folder / "list.json").write_text("[]\n")
    (folder / "m4a only").mkdir()
    (folder / "m4a only" / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A ")
    (folder / "text.wav").write_text("a text")


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("options", ["overwrite=True", "if_exists='append'", "if_exists='replace'"])
@pytest.mark.usefixtures("unusable")
def test_nothing_usable_is_an_error_and_the_old_table_stays(
    con: thano_duckdb.Connection, name: str, options: str
) -> None:
    con.execute("CREATE TABLE t AS SELECT 42 AS kept")
    with pytest.raises(ThanoError, match=r"so COPY leaves the table as it is"):
        con.execute(f"COPY t OPTIONS ({options}) FROM '{name}'")
    assert con.sql("FROM t").fetchall() == [(42,)]


def test_recordings_that_cannot_be_read_are_counted_in_one_warning(con: thano_duckdb.Connection, folder: Path) -> None:
    (folder / "deep" / "b.wav").write_text("a text")
    for options in ("overwrite=True", "if_exists='append'"):
        expected = r"^1 of 2 recordings cannot be read.*column error \(deep/b\.wav: It is a text file"
        with pytest.warns(ThanoWarning, match=expected) as caught:
            con.execute(f"COPY t OPTIONS ({options}) FROM 'deep'")
        assert len(caught) == 1
    assert con.sql("SELECT count(*), count(error) FROM t").fetchall() == [(4, 2)]


def test_a_table_without_rows_is_no_empty_file(con: thano_duckdb.Connection, folder: Path) -> None:
    (folder / "header.csv").write_text("a,b\n")
    con.execute("COPY t OPTIONS () FROM 'header.csv'")
    assert con.sql("FROM t").columns == ["a", "b"]


@pytest.mark.parametrize("options", ["overwrite=True", "if_exists='replace'"])
@pytest.mark.parametrize("name", ["header.csv", "one line.txt", "empty.parquet", "header*.csv"])
def test_a_table_is_never_replaced_by_one_without_rows(
    con: thano_duckdb.Connection, folder: Path, name: str, options: str
) -> None:
    (folder / "header.csv").write_text("a,b\n")
    (folder / "one line.txt").write_text("The quick brown fox.\n")
    con.execute("COPY (SELECT 1 AS a WHERE false) TO 'empty.parquet'")
    con.execute("CREATE TABLE t AS SELECT 42 AS kept")
    with pytest.raises(ThanoError, match=r"no rows in .*so COPY leaves the table as it is; .* write (.*)$") as refusal:
        con.execute(f"COPY t OPTIONS ({options}) FROM '{name}'")
    assert con.sql("FROM t").fetchall() == [(42,)]
    con.execute(str(refusal.value).partition(" write ")[2])
    assert con.sql("SELECT count(*) FROM t").fetchall() == [(0,)]


@pytest.mark.parametrize("if_exists", ["fail", "append", "replace"])
@pytest.mark.parametrize("name", ["table.csv", "deep"])
def test_copying_shows_a_count(con: thano_duckdb.Connection, folder: Path, name: str, if_exists: str) -> None:
    (folder / "table.csv").write_text("a,b\n1,2\n")
    result = con.sql(f"COPY t OPTIONS (if_exists='{if_exists}') FROM '{name}'")
    assert (result.columns, result.fetchall()) == (["Count"], con.sql("SELECT count(*) FROM t").fetchall())


@pytest.mark.parametrize("name", ["nosuch", "nosuch*", "empty", "nosuch.csv", "t*.parquet"])
@pytest.mark.usefixtures("folder")
def test_appending_nothing_leaves_no_new_table(con: thano_duckdb.Connection, name: str) -> None:
    with pytest.raises((AudioError, duckdb.IOException)):
        con.execute(f"COPY t OPTIONS (if_exists='append') FROM '{name}'")
    assert con.sql("SHOW TABLES").fetchall() == []


@pytest.mark.usefixtures("folder")
def test_a_pattern_still_finds_what_matches(con: thano_duckdb.Connection) -> None:
    found = con.sql("SELECT audio_path FROM thano_audio('**/*.wav')").fetchall()
    assert len(found) == 5
    assert found == sorted(found)
    assert con.sql("SELECT audio_path FROM thano_audio('calls*/?.wav')").fetchall() == [
        ("calls [2024]/a.wav",),
        ("calls.2024/a.wav",),
    ]


def found_in(con: thano_duckdb.Connection, location: str) -> list[str]:
    return [path for (path,) in con.sql(f"SELECT audio_path FROM thano_audio('{location}')").fetchall()]


@pytest.mark.parametrize("location", ["links", "links/**", "links/**/*.wav", "links/", "./**/links/**/?.wav"])
def test_a_linked_folder_is_searched_once_under_its_own_name_if_it_has_one(
    con: thano_duckdb.Connection, folder: Path, location: str
) -> None:
    links = folder / "links"
    (links / "real").mkdir(parents=True)
    for link, target in (("loop", "."), ("again", "real"), ("outside", folder / "deep"), ("real/up", "..")):
        (links / link).symlink_to(target)
    (folder / "deep" / "back").symlink_to(links)
    shutil.copy(folder / "deep" / "er" / "a.wav", links / "real" / "b.wav")
    with warnings.catch_warnings(action="error"):
        found = [path.removeprefix("./") for path in found_in(con, location)]
    assert found == ["links/outside/er/a.wav", "links/real/b.wav"]
    con.execute(f"COPY t OPTIONS (overwrite=True) FROM '{location}'")
    assert con.sql("SELECT count(*) FROM t").fetchall() == [(2,)]


@pytest.mark.parametrize("location", ["deep", "deep/**"])
def test_a_link_to_a_folder_above_is_not_followed_and_counted(
    con: thano_duckdb.Connection, folder: Path, location: str
) -> None:
    (folder / "deep" / "up").symlink_to(folder)
    expected = r"omits 1 linked folder that is not followed \(it leads to a folder above\) in"
    with pytest.warns(ThanoWarning, match=expected):
        assert found_in(con, location) == ["deep/er/a.wav"]


def test_recordings_that_cannot_be_read_are_listed_with_a_reason_and_the_rest_is_counted(
    con: thano_duckdb.Connection, folder: Path, an4_clip: str
) -> None:
    mixed = folder / "mixed"
    mixed.mkdir()
    for name in ("a.m4a", "b.mp4", "c.webm", "d.wma", "e.aac", "f.amr", "g.mov", "h.mkv", "dangling.wav", "i.M4A"):
        (mixed / name).write_bytes(b"\0\0\0\x18ftypM4A ")
    (mixed / "dangling.wav").unlink()
    (mixed / "dangling.wav").symlink_to("nowhere")
    for name in ("whole.wave", "no_extension", "call.20240105"):
        shutil.copy(an4_clip, mixed / name)
    for name in ("notes.txt", "README", "table.csv"):
        (mixed / name).write_text("RIFFs by Hendrix")
    os.mkfifo(mixed / "pipe")
    shutil.copy(os.fsencode(an4_clip), os.fsencode(mixed) + b"/caf\xe9.wav")
    with pytest.warns(
        ThanoWarning, match=r"omits 4 files that are not audio and 1 file whose name is not UTF-8 in 'mixed'\.$"
    ) as caught:
        rows = con.sql("SELECT parse_filename(audio_path), error IS NULL FROM thano_audio('mixed')").fetchall()
    assert len(caught) == 1
    assert {name for name, is_read in rows if is_read} >= {"no_extension", "call.20240105"}
    assert {name for name, is_read in rows if not is_read} >= {"a.m4a", "b.mp4", "c.webm", "d.wma", "dangling.wav"}
    assert len(rows) == 13
    with warnings.catch_warnings(record=True, action="always") as recorded:
        con.execute("COPY t OPTIONS (if_exists='append') FROM 'mixed'")
    omitted, unread = sorted(str(warning.message) for warning in recorded)[::-1]
    assert "4 files that are not audio" in omitted
    assert "10 of 13 recordings cannot be read" in unread
    assert con.sql("SELECT count(*) FROM t").fetchall() == [(13,)]


def test_a_file_is_read_although_its_name_is_a_pattern_of_another(con: thano_duckdb.Connection, folder: Path) -> None:
    (folder / "t [1].csv").write_text("a\n1\n")
    (folder / "t 1.csv").write_text("a\n2\n")
    for name, rows in (("t [1].csv", [(1,)]), ("t 1.csv", [(2,)]), ("t*.csv", [(1,), (2,)])):
        con.execute(f"COPY t OPTIONS (overwrite=True) FROM '{name}'")
        assert con.sql("FROM t ORDER BY a").fetchall() == rows


def test_what_file_managers_leave_is_neither_listed_nor_counted(con: thano_duckdb.Connection, folder: Path) -> None:
    deep = folder / "deep"
    for name in ("._a.wav", "._x.flac", ".DS_Store", "Thumbs.db", "desktop.ini", "._.DS_Store"):
        (deep / name).write_bytes(b"\0\5\x16\7")
    (deep / "__MACOSX").mkdir()
    (deep / "__MACOSX" / "b.wav").write_bytes(b"\0\5\x16\7")
    shutil.copy(deep / "er" / "a.wav", deep / ".hidden.wav")
    for location in ("deep", "deep/**"):
        with warnings.catch_warnings(action="error"):
            found = con.sql(f"SELECT audio_path FROM thano_audio('{location}')").fetchall()
        assert ("deep/.hidden.wav",) in found  # a name that begins with a point may be that of a recording
        assert ("deep/er/a.wav",) in found
        assert len(found) == 2


def test_what_is_no_librispeech_tree_is_an_error(con: thano_duckdb.Connection, folder: Path) -> None:
    for root, sentence in (
        ("nosuch", "there is no file or folder 'nosuch'"),
        ("deep", "there is no LibriSpeech tree in 'deep'"),
        ("deep/er/a.wav", "there is no LibriSpeech tree in 'deep/er/a.wav'"),
        ("", "the LibriSpeech tree is empty"),
    ):
        with pytest.raises(AudioError, match=sentence):
            con.sql(f"FROM thano_librispeech('{root}')").fetchall()
    with pytest.raises(AudioError, match="the LibriSpeech tree is NULL"):
        con.sql("FROM thano_librispeech(NULL)").fetchall()


def test_a_librispeech_tree_may_have_any_name(con: thano_duckdb.Connection, folder: Path) -> None:
    (folder / "dev [clean]" / "1" / "2").mkdir(parents=True)
    (folder / "dev [clean]" / "1" / "2" / "1-2.trans.txt").write_text("1-2-0000 HELLO WORLD\n")
    assert con.sql("SELECT text, speaker FROM thano_librispeech('dev [clean]')").fetchall() == [("HELLO WORLD", "1")]


@pytest.mark.usefixtures("folder")
def test_a_database_without_external_access_lists_nothing() -> None:
    with thano_duckdb.connect(config={"enable_external_access": "false"}) as con:
        for sql in (
            "FROM thano_audio('deep')",
            "SELECT _thano_audio_files('deep', NULL, true)",
        ):
            with pytest.raises((thano_duckdb.ThanoError, Exception), match=r"disabled by configuration|no session"):
                con.sql(sql).fetchall()


# A data frame as JSON records


@pytest.mark.parametrize(
    ("records", "columns", "rows"),
    [
        ('[{"a":1}]', ["a BIGINT"], [(1,)]),
        ('[{"a": 1, "b": "it\'\'s"}, {"c": true}]', ["a BIGINT", "b VARCHAR", "c BOOLEAN"],
         [(1, "it's", None), (None, None, True)]),
        ('[{"a": 1}, {"a": 2.5}]', ["a DOUBLE"], [(1.0,), (2.5,)]),
        ('[{"a": [1, null]}, {"a": []}]', ["a BIGINT[]"], [([1, None],), ([],)]),
        ('[{"a": {"k": 1}}, {"a": null}]', ["a STRUCT(k BIGINT)"], [({"k": 1},), (None,)]),
        ('[{"a": 1}, {"a": "x"}]', ["a VARCHAR"], [("1",), ("x",)]),
        ('[{"a": 1}, {"a": [1]}]', ["a JSON"], [("1",), ("[1]",)]),
        ('[{"a": 9223372036854775808}]', ["a HUGEINT"], [(2**63,)]),
        ('[{"a": null}]', ["a VARCHAR"], [(None,)]),
    ],
)  # fmt: skip
def test_json_records_are_read_as_rows(
    con: thano_duckdb.Connection, records: str, columns: list[str], rows: list[tuple[object, ...]]
) -> None:
    con.execute(f"COPY t OPTIONS (overwrite=True) FROM '{records}'")
    described = con.sql("SELECT column_name || ' ' || column_type FROM (DESCRIBE t)").fetchall()
    assert [row[0] for row in described] == columns
    assert con.sql("FROM t").fetchall() == rows


@pytest.mark.parametrize("records", ["[]", "[{}]", '[{"a": 1}, 2]', '[{"a": NaN}]', '[{"a": 1', "[{" * 5000])
def test_records_that_are_none_are_refused_and_the_old_table_stays(con: thano_duckdb.Connection, records: str) -> None:
    con.execute("CREATE TABLE t AS SELECT 42 AS kept")
    with pytest.raises((DialectError, ThanoError)):
        con.execute(f"COPY t OPTIONS (overwrite=True) FROM '{records}'")
    assert con.sql("FROM t").fetchall() == [(42,)]
