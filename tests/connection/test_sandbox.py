"""What the settings of the database forbid, no argument, variable or macro allows."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import thano_duckdb
from tests.checkpoints import make_checkpoint
from tests.training.kit import write_model
from thano_duckdb.functions.installation import FUNCTIONS

REFUSED = re.compile(
    r"may not|is not a model: thano|no session of thano_duckdb|No function matches|is refused|Permission Error"
    r"|takes \d arguments?, not"
)
SHADOWS = (
    "CREATE {kind} MACRO current_setting(name) AS true",
    "CREATE {kind} MACRO getvariable(name) AS 'connection-1'",
    "CREATE {kind} MACRO \"glob\"(pattern) AS TABLE SELECT 'x' AS file",
    "CREATE {kind} MACRO unnest(list) AS 'x'",
    "CREATE {kind} MACRO current_database() AS 'memory'",
    "CREATE {kind} MACRO duckdb_databases() AS TABLE SELECT 'memory' AS database_name, '/' AS path",
)
FORGED = (
    "true", "'connection-1'", "NULL", "1", "''", "'" + "0" * 32 + "'", "{'token': true}",
)  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path, an4_clip: str) -> Path:
    """A readable recording outside of every allowed folder."""
    file = tmp_path / "secret" / "clip.wav"
    file.parent.mkdir()
    file.write_bytes(Path(an4_clip).read_bytes())
    return file


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with a model in a home of its own, in a sandbox."""
    with thano_duckdb.connect(tmp_path / "shared.duckdb", model_home=tmp_path / "victim") as con:
        con.execute(f"UPLOAD MODEL precious FROM '{write_model(tmp_path / 'checkpoint')}'")
        yield con


def attackers(victim: thano_duckdb.Connection, tmp_path: Path) -> Iterator[Any]:
    """Connections to the same database: our own, a plain one that is loaded, and one that is not."""
    ours = thano_duckdb.Connection(
        victim.raw.cursor(),
        thano_duckdb.connection.Settings(tmp_path / "attacker"),
        install=thano_duckdb.functions.install,
    )
    yield ours
    yield thano_duckdb.load(victim.raw.cursor(), model_home=tmp_path / "attacker")
    yield victim.raw.cursor()


@pytest.mark.parametrize("kind", ["", "TEMP"])
@pytest.mark.parametrize("function", [each.name for each in FUNCTIONS if each.name.startswith("_")])
def test_no_function_believes_a_forged_argument(
    function: str, kind: str, victim: thano_duckdb.Connection, secret: Path, tmp_path: Path
) -> None:
    every = list(attackers(victim, tmp_path))
    for number, attacker in enumerate(every):
        if kind == "TEMP" or number == 0:
            for shadow in SHADOWS:
                attacker.execute(shadow.format(kind=kind))
    victim.execute("SET enable_external_access = false")
    victim.execute("SET lock_configuration = true")
    text, path = "'precious'", f"'{secret}'"
    rows = "[{'audio': NULL, 'text': 'a', 'reference': 'a', 'hypothesis': 'a'}]"
    refusals: set[str] = set()
    for attacker in every:
        attacker.execute("SET VARIABLE thano_connection = 'connection-1'")
        for n_arguments in range(7):
            for plain in (
                [text] * n_arguments,
                [path] * n_arguments,
                [text, path, "'{}'", rows, "true", "true"][:n_arguments],
                [rows][:n_arguments],
            ):
                for forged in FORGED:
                    for arguments in ([*plain, forged], [*plain, forged, forged]):
                        with pytest.raises((duckdb.Error, thano_duckdb.ThanoError)) as refused:
                            attacker.execute(f"SELECT {function}({', '.join(arguments)})").fetchall()
                        refusals.add(str(refused.value))
    assert any("no session of thano_duckdb" in refusal for refusal in refusals)  # not only for a wrong type
    assert [row[0] for row in victim.sql("LIST MODEL").fetchall()] == ["precious"]


def test_macros_of_ours_shadowed_by_the_database_never_get_the_token(
    victim: thano_duckdb.Connection, tmp_path: Path
) -> None:
    attacker = victim.raw.cursor()
    for function in FUNCTIONS:
        parameters = ", ".join(f"p{number} := 0" for number in range(5))
        attacker.execute(f"CREATE MACRO {function.name}({parameters}) AS [p0, p1, p2, p3, p4]::VARCHAR[]")
    assert [row[0] for row in victim.sql("LIST MODEL").fetchall()] == ["precious"]
    token = victim._session.token
    attacker.execute("CREATE VIEW models AS SELECT 1 AS a")
    with victim.cursor() as cursor:
        cursor.execute("CREATE VIEW seen AS SELECT thano_audio_info('x') AS info, * FROM thano_models()")
        cursor.execute("CREATE TABLE made AS SELECT thano_audio_info(x) FROM (SELECT NULL::VARCHAR AS x)")
        cursor.execute("CREATE MACRO info(x) AS thano_audio_info(x)")
    catalog = "SELECT * FROM duckdb_{}s()"
    for what in ("view", "function", "table", "column", "setting", "variable"):
        assert token not in str(attacker.execute(catalog.format(what)).fetchall()), what


def test_the_models_of_another_connection_are_neither_listed_nor_deleted(
    victim: thano_duckdb.Connection, tmp_path: Path
) -> None:
    _, loaded, _ = attackers(victim, tmp_path)
    assert loaded.execute("SELECT * FROM thano_models() WHERE kind <> 'built-in'").fetchall() == []
    with pytest.raises(duckdb.Error, match="no model 'precious' to delete"):
        loaded.execute("SELECT * FROM thano_delete_model('precious')").fetchall()
    assert [row[0] for row in victim.sql("LIST MODEL").fetchall()] == ["precious"]


# The rules of DuckDB's own readers


def lock(con: thano_duckdb.Connection, *settings: str) -> None:
    for setting in settings:
        con.execute(f"SET {setting}")
    con.execute("SET lock_configuration = true")


RESTRICTIONS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "no external access": lambda _: ("enable_external_access = false",),
    "no local files": lambda _: ("disabled_filesystems = 'LocalFileSystem'",),
    "another folder": lambda folder: (f"allowed_directories = ['{folder}']", "enable_external_access = false"),
    "another file": lambda folder: (f"allowed_paths = ['{folder / 'other.wav'}']", "enable_external_access = false"),
}


def refusal_of(con: thano_duckdb.Connection, sql: str) -> str:
    """The error of a statement, or what it gives: a refused clip is a row with its reason."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return str(con.sql(sql).fetchall())
    except (duckdb.Error, thano_duckdb.ThanoError) as error:
        return str(error)


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_whether_a_file_exists_stays_unknown(
    con: thano_duckdb.Connection, secret: Path, tmp_path: Path, restriction: str
) -> None:
    (tmp_path / "open").mkdir()
    lock(con, *RESTRICTIONS[restriction](tmp_path / "open"))
    make_checkpoint(tmp_path / "model")
    for statement in (
        "SELECT thano_audio_info('{path}')",
        "SELECT thano_transcribe('Wav2Vec2TinyEn', '{path}')",
        "PREDICT USING Wav2Vec2TinyEn OPTIONS (include='error') AS SELECT '{path}' AS audio_path",
        "PREDICT USING Wav2Vec2TinyEn OPTIONS (channel='each', include='error') AS SELECT '{path}' AS audio_path",
        "PREDICT USING Wav2Vec2TinyEn OPTIONS (on_error='fail') AS SELECT '{path}' AS audio_path",
        "PREDICT USING '{path}' AS SELECT NULL AS audio_path",
        "EVALUATE USING '{path}' AS SELECT NULL AS audio_path, 'a' AS text",
        "SELECT thano_transcribe('{path}', NULL)",
        "UPLOAD MODEL m FROM '{path}'",
        "BUILD MODEL m USING '{path}' AS SELECT ''::BLOB AS audio_path, 'a' AS text",
        "BUILD MODEL m USING Wav2Vec2TinyEn AS SELECT '{path}' AS audio_path, 'a' AS text",
        "PRINT AUDIO AS SELECT '{path}' AS audio_path",
        "COPY t OPTIONS (overwrite=True) FROM '{path}'",
        "FROM thano_audio('{path}')",
        "GET THANOSQL MODEL '{path}' OPTIONS (model_name='m')",
        "FROM thano_check('{path}')",
        "DESCRIBE MODEL '{path}'",
        "UPLOAD LANGUAGE MODEL m FROM '{path}'",
        "SELECT thano_perplexity('a', '{path}')",
    ):
        refusals = set()
        for path in (secret, secret.parent, secret.with_name("none.wav"), tmp_path / "model", tmp_path / "nowhere"):
            refusal = refusal_of(con, statement.format(path=path))
            assert REFUSED.search(refusal), refusal
            refusals.add(refusal.replace(str(path), ".."))
        assert len({re.sub(r"\^|\s", "", refusal) for refusal in refusals}) <= 2, refusals


def test_allowed_folders_and_files_are_read_and_nothing_else(
    con: thano_duckdb.Connection, secret: Path, tmp_path: Path, an4_clip: str
) -> None:
    folder = tmp_path / "calls [2024]"
    folder.mkdir()
    clip = folder / "a*b.wav"
    clip.write_bytes(Path(an4_clip).read_bytes())
    os.symlink(secret, folder / "link.wav")
    model = write_model(folder / "model")
    lock(
        con, f"allowed_directories = ['{folder}']", f"allowed_paths = ['{an4_clip}']", "enable_external_access = false"
    )
    info = "SELECT thano_audio_info('{}').error"
    for path in (clip, an4_clip, folder / ".." / "calls [2024]" / "a*b.wav", f"file://{an4_clip}"):
        assert con.execute(info.format(path)).fetchall() == [(None,)]
    assert "No such file" in con.execute(info.format(folder / "none.wav")).fetchall()[0][0]
    for path in (secret, folder / "link.wav", folder / ".." / "secret" / "clip.wav", "https://example.com/a.wav"):
        assert "may not read files" in con.execute(info.format(path)).fetchall()[0][0]
    con.sql(f"PREDICT USING '{model}' AS SELECT NULL::VARCHAR AS audio_path").fetchall()
    os.symlink(secret, model / "extra.json")
    with pytest.raises(thano_duckdb.ThanoError, match="may not read files"):
        con.sql(f"PREDICT USING '{model}' AS SELECT NULL::VARCHAR AS audio_path").fetchall()


def test_the_model_home_is_written_only_where_files_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundled_model: Path
) -> None:
    home = tmp_path / "home"
    checkpoint = write_model(tmp_path / "checkpoint")
    monkeypatch.chdir(tmp_path)
    with thano_duckdb.connect(model_home=home) as con:
        con.execute(f"UPLOAD MODEL mine FROM '{checkpoint}'")
        lock(con, f"allowed_directories = ['{checkpoint}']", "enable_external_access = false")
        for statement in (
            "DELETE MODEL mine",
            f"UPLOAD MODEL other FROM '{checkpoint}'",
            "BUILD MODEL other USING mine AS SELECT ''::BLOB AS audio_path, 'a' AS text",
            "GET THANOSQL DATASET librispeech_data",
            "BUILD LANGUAGE MODEL words AS SELECT 'a b' AS text",
        ):
            with pytest.raises(thano_duckdb.ThanoError, match="may not write files"):
                con.execute(statement)
        con.sql("PREDICT USING mine AS SELECT NULL::VARCHAR AS audio_path").fetchall()
        assert [row[0] for row in con.sql("LIST MODEL").fetchall()] == ["mine"]
    assert not (tmp_path / "tutorial_data").exists()
    with thano_duckdb.connect(model_home=home) as con:
        lock(con, f"allowed_directories = ['{home}']", "enable_external_access = false")
        con.execute("DELETE MODEL mine")


@pytest.mark.parametrize("protocol", ["http", "https", "s3", "gs", "hf", "az"])
def test_urls_count_as_external(con: thano_duckdb.Connection, protocol: str) -> None:
    con.execute("SET enable_external_access = false")
    ((info,),) = con.execute(f"SELECT thano_audio_info('{protocol}://host/a.wav')").fetchall()
    assert "may not read files or URLs" in info.pop("error")
    assert set(info.values()) == {None}


def test_a_refused_clip_is_null_with_its_reason_and_costs_no_other_row(
    con: thano_duckdb.Connection, secret: Path, any_small_model: Path
) -> None:
    predict = "PREDICT USING Wav2Vec2TinyEn OPTIONS (include='error'{}) AS FROM paths"
    paths = f"['{secret}', '{secret.with_name('none.wav')}', NULL]"
    con.execute(f"CREATE TABLE paths AS SELECT unnest({paths}) AS audio_path")
    with pytest.warns(thano_duckdb.ThanoWarning, match="1 clip could not"):
        con.execute(predict.format("")).fetchall()  # the text of the file is in the cache now
    lock(con, "enable_external_access = false")
    with pytest.warns(thano_duckdb.ThanoWarning, match="2 clips could not be transcribed.*may not read files"):
        existing, missing, null = con.execute(predict.format("")).fetchall()
    assert existing[1] is missing[1] is None
    assert existing[2].replace(existing[0], "") == missing[2].replace(missing[0], "")
    assert existing[2].startswith("This database may not read files or URLs such as ")
    assert null == (None, None, None)
    with pytest.raises(thano_duckdb.AudioError, match="may not read files"):
        con.execute(predict.format(", on_error='fail'")).fetchall()


# lock_configuration


def test_a_locked_configuration_is_no_obstacle(an4_clip: str) -> None:
    with thano_duckdb.connect(config={"lock_configuration": "true"}) as con:
        query = f"SELECT thano_audio_info('{an4_clip}').sample_rate"
        expected = con.execute(query).fetchall()
        with con.cursor() as cursor:
            assert cursor.execute(query).fetchall() == expected
        thano_duckdb.load(con.raw.cursor()).execute(query)
    with thano_duckdb.connect() as con:
        con.execute("SET lock_configuration = true")
        with con.cursor() as cursor:
            assert cursor.execute(query).fetchall() == expected
