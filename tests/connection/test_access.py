"""Links and `..` inside of an allowed folder lead nowhere else, and do not tell what exists elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.training.kit import write_model


@pytest.fixture
def box(con: thano_duckdb.Connection, tmp_path: Path, an4_clip: str) -> Path:
    """The only folder that `con` may read; `link` in it leads to `secret/sub` beside it."""
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    (secret / "sub").mkdir(parents=True)
    allowed.mkdir()
    for name in ("private.wav", "sub/deep.wav", "sub/noextension"):
        shutil.copy(an4_clip, secret / name)
    (secret / "private.txt").write_text("a")
    (secret / "sub" / "deep.txt").write_text("a")
    shutil.copy(an4_clip, allowed / "open.wav")
    (allowed / "link").symlink_to(secret / "sub")
    con.execute(f"SET allowed_directories = ['{allowed}']")
    con.execute("SET enable_external_access = false")
    return allowed


def message(con: thano_duckdb.Connection, statement: str) -> str:
    with pytest.raises((duckdb.Error, thano_duckdb.ThanoError)) as refused:
        con.sql(statement).fetchall()
    return str(refused.value)


@pytest.mark.parametrize(
    ("exists", "missing"),
    [
        ("link/../private.wav", "link/../nothing.wav"),
        ("link/../private.txt", "link/../nothing.txt"),
        ("link/../private*", "link/../nothing*"),
        ("l[i]nk/../private.wav", "l[i]nk/../nothing.wav"),
        ("l[i]nk/../private.tx?", "l[i]nk/../nothing.tx?"),
        ("link/deep.wav", "link/nothing.wav"),
        ("l[i]nk/deep.wav", "l[i]nk/nothing.wav"),
        ("l[i]nk/deep.txt", "l[i]nk/nothing.txt"),
        ("l[i]nk/noextension", "l[i]nk/noextensi0n"),
        ("*/deep.wav", "*/nothing.wav"),
        ("link/../sub", "link/../nothing"),
    ],
)
def test_a_listing_does_not_tell_what_exists_behind_a_link(
    con: thano_duckdb.Connection, box: Path, exists: str, missing: str
) -> None:
    refusals = {
        message(con, f"FROM thano_audio('{box / path}')").replace(path, "..").split("\n")[0]
        for path in (exists, missing)
    }
    assert len(refusals) == 1, refusals


@pytest.mark.parametrize("pattern", ["**", "*", "*.wav"])
def test_a_listing_leaves_out_links_that_lead_outside(
    con: thano_duckdb.Connection, box: Path, tmp_path: Path, pattern: str
) -> None:
    (box / "there.wav").symlink_to(tmp_path / "secret" / "private.wav")
    (box / "nowhere.wav").symlink_to(tmp_path / "secret" / "nothing.wav")
    with pytest.warns(thano_duckdb.ThanoWarning, match="omits 2 links to where this database may not read in"):
        found = con.sql(f"SELECT audio_path, error FROM thano_audio('{box / pattern}')").fetchall()
    assert found == [(str(box / "open.wav"), None)]


@pytest.mark.parametrize("name", ["nothing.wav", "private.wav"])
def test_a_link_is_refused_whether_its_target_exists_or_not(
    con: thano_duckdb.Connection, box: Path, tmp_path: Path, name: str
) -> None:
    (box / "file.wav").symlink_to(tmp_path / "secret" / name)
    for path in (box / "file.wav", f"{box}/link/../{name}", f"{box}/link/{name}"):
        assert "may not read files" in message(con, f"SELECT thano_audio_info('{path}')")


def test_no_model_is_read_behind_a_link(con: thano_duckdb.Connection, box: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "secret" / "model")
    for folder in (box / "link" / ".." / "model", box / "link" / ".." / "nothing"):
        predicted = f"PREDICT USING '{folder}' AS SELECT NULL::VARCHAR AS audio_path"
        assert "may not read files" in message(con, predicted)
        assert "may not read the folder" in message(con, f"UPLOAD MODEL stolen FROM '{folder}'")


def test_a_link_that_stays_inside_is_followed(con: thano_duckdb.Connection, box: Path) -> None:
    (box / "deep" / "er").mkdir(parents=True)
    (box / "inside").symlink_to(box / "deep" / "er")
    shutil.copy(box / "open.wav", box / "deep" / "a.wav")
    for path in ("inside/../a.wav", "deep/er/../a.wav", "ins*/../a.wav"):
        found = con.sql(f"SELECT error FROM thano_audio('{box / path}')").fetchall()
        assert found == [(None,)], path
