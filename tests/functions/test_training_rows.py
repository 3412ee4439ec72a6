"""The rows of a BUILD stream into its table, each with its text, and nothing of them outlives the statement."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

import thano_duckdb
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import RegistryError, ThanoError
from thano_duckdb.functions import train
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.staging import Staging
from thano_duckdb.training.training_options import Example

ROWS = 7_000
TABLE = f"""
    CREATE TABLE rows AS
    SELECT CASE i % 3 WHEN 0 THEN NULL ELSE encode(repeat(i || ';', 1 + i % 500)) END AS audio, 'text ' || i AS text,
        'speaker ' || i % 11 AS speaker
    FROM range({ROWS}) r(i)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def con(home: Path) -> Iterator[thano_duckdb.Connection]:
    with thano_duckdb.connect(model_home=home, progress=False, device="cpu") as connection:
        connection.execute("SET threads = 4")
        connection.execute(TABLE)
        yield connection


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[Example]:
    """The rows that a build gets; it stops then."""
    rows: list[Example] = []

    def build_model(
        _name: str, _base: object, _options: object, examples: Sequence[Example], *_: Any, **_more: Any
    ) -> None:
        rows.extend(Example(each.clip, each.text, each.group) for each in examples)
        raise ThanoError("the build got its rows")

    monkeypatch.setattr(train, "_import_training", lambda: build_model)
    return rows


def build(con: thano_duckdb.Connection, query: str, options: str = "") -> None:
    con.execute(f"BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (audio_col='audio'{options}) AS {query}")


def spilled(home: Path) -> list[str]:
    """The files in a model home that this process holds open, although they have no name, and those that have one."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux says which files are open")
    descriptors = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    links = [os.readlink(each) for each in descriptors if each.is_symlink()]
    named = [
        str(path) for path in home.rglob("*") if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
    ]
    return [link for link in links if link.startswith(str(home))] + named


def test_audio_text_and_group_of_each_row_arrive_together_on_any_number_of_threads(
    con: thano_duckdb.Connection, received: list[Example]
) -> None:
    with pytest.raises(ThanoError, match="the build got its rows"):
        build(con, "FROM rows", ", split_by='speaker', validation_split=0.1")
    expected = con.execute("SELECT text, audio, speaker FROM rows").fetchall()
    assert len(received) == ROWS
    found = {each.text: (each.clip.data if isinstance(each.clip, Clip) else each.clip, each.group) for each in received}
    assert found == {text: (audio, (speaker,)) for text, audio, speaker in expected}


def test_options_select_the_same_part_of_every_row_and_a_row_may_have_its_own(
    con: thano_duckdb.Connection, received: list[Example]
) -> None:
    rows = "{'path': 'a.wav', 'start': 0.5, 'stop': 1.0}, {'path': 'b.wav', 'start': NULL, 'stop': NULL}"
    query = f"SELECT unnest([{rows}]) AS audio, 'a' AS text"
    with pytest.raises(ThanoError, match="the build got its rows"):
        build(con, query, ", start=0.25, stop=2, channel=2")
    assert [each.clip for each in received] == [
        Clip("a.wav", channel=1, start_s=0.5, stop_s=1.0),
        Clip("b.wav", channel=1, start_s=0.25, stop_s=2.0, clamps_stop=True),
    ]


@pytest.mark.parametrize(
    ("problem", "query"),
    [
        ("the build got its rows", "FROM rows"),
        ("Could not convert", "FROM rows WHERE CASE WHEN text = 'text 6000' THEN text::INT = 1 ELSE true END"),
        ("must be text", "SELECT audio, [text] AS text FROM rows"),
    ],
)
@pytest.mark.usefixtures("received")
def test_no_file_is_left_however_the_statement_ends(
    con: thano_duckdb.Connection, home: Path, problem: str, query: str
) -> None:
    with pytest.raises((duckdb.Error, ThanoError), match=problem):
        build(con, query)
    assert spilled(home) == []


def test_no_file_is_left_after_an_interruption(
    con: thano_duckdb.Connection, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def build_model(*_: Any, **_more: Any) -> None:
        seen.append(spilled(home))
        con.interrupt()
        raise thano_duckdb.errors.Cancelled("stopped")

    monkeypatch.setattr(train, "_import_training", lambda: build_model)
    with pytest.raises(duckdb.InterruptException):
        build(con, "FROM rows")
    assert len(seen[0]) == 1
    assert spilled(home) == []


def test_a_killed_process_leaves_no_file(home: Path) -> None:
    code = f"""
import os, signal, thano_duckdb
from thano_duckdb.functions import train
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.staging import Staging
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
train._import_training = lambda: die
con = thano_duckdb.connect(model_home={str(home)!r}, progress=False)
con.execute({TABLE!r})
con.execute("BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (audio_col='audio', device='cpu') AS FROM rows")
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert spilled(home) == []


def test_a_full_disk_is_one_sentence_and_leaves_the_models_as_they_were(
    con: thano_duckdb.Connection, home: Path, received: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "temporary_file", lambda _self: full.open("r+b", buffering=0))
        with pytest.raises(RegistryError) as refused:
            build(con, "FROM rows")
    message = str(refused.value)
    assert message.startswith(
        f"there is no space left for the audio of a BUILD in {home}; its models are unharmed. Free"
    )
    assert received == []
    with pytest.raises(ThanoError, match="the build got its rows"):
        build(con, "FROM rows WHERE text = 'text 1'")
    assert len(received) == 1


def test_what_refuses_a_build_does_so_before_its_query_ends(con: thano_duckdb.Connection) -> None:
    endless = "SELECT ''::BLOB AS audio, 'a' AS text FROM range(1_000_000_000_000)"
    with pytest.raises(ThanoError, match="Did you mean"):
        con.execute(
            "SELECT thano_build('mine', 'Wav2Vec2TinyEn', {'epoch': 1}, {'audio': audio, 'text': text}) "
            f"FROM ({endless})"
        )
    with pytest.raises(ThanoError, match="built-in"):
        con.execute(f"BUILD MODEL Wav2Vec2TinyEn USING Wav2Vec2TinyEn OPTIONS (audio_col='audio') AS {endless}")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT {build} FROM rows GROUP BY speaker",
        "SELECT {build}, {build} FROM rows",
        "SELECT {build} FROM rows UNION ALL SELECT {build} FROM rows WHERE speaker = 'speaker 1'",
    ],
)
def test_the_rows_of_several_models_are_never_mixed(home: Path, received: list[Example], sql: str) -> None:
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, model_home=home, device="cpu")
        plain.execute(TABLE)
        call = "thano_build('mine', 'Wav2Vec2TinyEn', '{}', {'audio': audio, 'text': text})"
        with pytest.raises(duckdb.Error, match=r"makes one model from all rows of its query|the build got its rows"):
            plain.execute(sql.replace("{build}", call)).fetchall()
    assert len(received) in (0, ROWS)
    assert len({each.text for each in received}) == len(received)


def test_the_rows_of_a_query_that_failed_are_not_in_the_next_build(home: Path, received: list[Example]) -> None:
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, model_home=home, device="cpu")
        plain.execute(TABLE)
        call = "SELECT thano_build('mine', 'Wav2Vec2TinyEn', '{}', {'audio': audio, 'text': text}) FROM rows WHERE "
        with pytest.raises(duckdb.Error, match="Could not convert"):
            plain.execute(f"{call} CASE WHEN text = 'text 6000' THEN text::INT = 1 ELSE true END").fetchall()
        with pytest.raises(duckdb.Error, match="the build got its rows"):
            plain.execute(f"{call} text IN ('text 1', 'text 5')").fetchall()
        assert sorted(each.text or "" for each in received) == ["text 1", "text 5"]


def test_a_number_of_rows_that_is_made_up_gives_no_rows(home: Path, received: list[Example]) -> None:
    with duckdb.connect() as plain:
        thano_duckdb.load(plain, model_home=home, device="cpu")
        macro = "SELECT macro_definition FROM duckdb_functions() WHERE function_name = 'thano_build'"
        ((definition,),) = plain.execute(macro).fetchall()
        token = definition.rsplit("'", 2)[1]
        with pytest.raises(duckdb.Error, match="the build got its rows"):
            plain.execute(
                "SELECT system.main._thano_build('mine', 'Wav2Vec2TinyEn', ?, 3, system.main.current_query_id(), ?)",
                [json.dumps({"epochs": 1}), token],
            ).fetchall()
    assert received == []


def test_a_forbidden_path_stops_the_build_and_is_not_read(
    con: thano_duckdb.Connection, home: Path, received: list[Example], tmp_path: Path
) -> None:
    con.execute(f"SET allowed_directories = ['{home}']")
    con.execute("SET enable_external_access = false")
    with pytest.raises(thano_duckdb.AudioError, match="may not read files"):
        build(con, f"SELECT '{tmp_path / 'secret.wav'}' AS audio, 'a' AS text FROM range(5000)")
    with pytest.raises(thano_duckdb.AudioError, match="may not read files"):
        build(con, "SELECT {'path': '/proc/self/fd/3', 'bytes': NULL::BLOB} AS audio, 'a' AS text")
    assert received == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "[{'audio': audio, 'text': text}]",
            r"a row must be a STRUCT with the fields audio, text, not STRUCT\(.*\)\[\]",
        ),
        ("text", "a row must be a STRUCT with the fields audio, text, not VARCHAR"),
        ("NULL", "a row must be a STRUCT"),
    ],
)
def test_what_is_no_row_is_refused(con: thano_duckdb.Connection, row: str, problem: str) -> None:
    with pytest.raises(ThanoError, match=problem):
        con.execute(f"SELECT thano_build('mine', 'Wav2Vec2TinyEn', '{{}}', {row}) FROM rows")


def test_a_quota_that_is_used_up_is_named_like_a_full_disk(
    con: thano_duckdb.Connection, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(Staging, "temporary_file", refuse)
    with pytest.raises(RegistryError, match=f"no space left for .* in {home}"):
        build(con, "FROM rows")
