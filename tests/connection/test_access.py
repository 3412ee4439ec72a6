"""Links and `..` inside of an allowed folder lead nowhere else, and do not tell what exists elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import thano_duckdb
from tests.audio.web_server import serving
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


@pytest.mark.parametrize(("pattern", "n_links"), [("**", 3), ("*", 3), ("**/*", 3), ("*.wav", 2)])
def test_a_listing_leaves_out_links_that_lead_outside(
    con: thano_duckdb.Connection, box: Path, tmp_path: Path, pattern: str, n_links: int
) -> None:
    """They count alike, be they links to a file, to a folder or to nothing."""
    (box / "there.wav").symlink_to(tmp_path / "secret" / "private.wav")
    (box / "nowhere.wav").symlink_to(tmp_path / "secret" / "nothing.wav")
    with pytest.warns(thano_duckdb.ThanoWarning, match=f"omits {n_links} links to where this database may not read in"):
        found = con.sql(f"SELECT audio_path, error FROM thano_audio('{box / pattern}')").fetchall()
    assert found == [(str(box / "open.wav"), None)]


@pytest.mark.parametrize("name", ["nothing.wav", "private.wav"])
def test_a_link_is_refused_whether_its_target_exists_or_not(
    con: thano_duckdb.Connection, box: Path, tmp_path: Path, name: str
) -> None:
    (box / "file.wav").symlink_to(tmp_path / "secret" / name)
    for path in (box / "file.wav", f"{box}/link/../{name}", f"{box}/link/{name}"):
        ((error,),) = con.execute(f"SELECT thano_audio_info('{path}').error").fetchall()
        assert "may not read files" in error, path


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


@pytest.mark.parametrize("location", ["**", "**/*.wav"])
def test_a_linked_folder_that_stays_inside_is_searched(
    con: thano_duckdb.Connection, box: Path, tmp_path: Path, location: str
) -> None:
    (box / "link").unlink()
    (box / "deep").mkdir()
    (box / "inside").symlink_to(box / "deep")
    (box / "deep" / "back").symlink_to(box)
    shutil.copy(box / "open.wav", box / "deep" / "a.wav")
    found = con.sql(f"SELECT audio_path FROM thano_audio('{box / location}')").fetchall()
    assert found == [(str(box / "deep" / "a.wav"),), (str(box / "open.wav"),)]


# URLs


@pytest.fixture
def server(con: thano_duckdb.Connection) -> Iterator[str]:
    """The address of a server of which `con` may read only `/to` and the folder `/a/`."""
    with serving() as port:
        con.execute(f"SET allowed_directories = ['http://127.0.0.1:{port}/a/']")
        con.execute(f"SET allowed_paths = ['http://127.0.0.1:{port}/to?/clip.flac', 'HTTP://LocalHost:{port}/404']")
        con.execute("SET enable_external_access = false")
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    "path",
    ["/b", "/a/../b", "/a/%2e%2e/b", "/a/.%2E/b", "/a/..%2fb", "/a/..%5cb", "/a/\n../b", "/a/.\t./b", "/a/.\n./b",
     "/a\\..\\b", "/a/ ../b", "/a/..;/b", "/a/..", "/a/..?x", "/a/\x85../b", "/to?/clip.flac#b"],
)  # fmt: skip
@pytest.mark.parametrize("protocol", ["http", "HTTP"])
def test_no_spelling_of_a_url_leads_out_of_its_folder(
    con: thano_duckdb.Connection, server: str, path: str, protocol: str
) -> None:
    url = server.replace("http", protocol) + path
    ((error,),) = con.execute("SELECT thano_audio_info(?).error", [url]).fetchall()
    assert "may not read files or URLs" in error


def test_allowed_urls_are_read_however_their_host_is_written(con: thano_duckdb.Connection, server: str) -> None:
    info = "SELECT thano_audio_info(?).error"
    for url in (f"{server}/a/clip.flac", f"{server.replace('http', 'HTTP')}/a/b/c%20.flac?x=1"):
        assert con.execute(info, [url]).fetchall() == [(None,)]
    (error,) = con.execute(info, [server.replace("127.0.0.1", "LOCALHOST") + "/404"]).fetchall()[0]
    assert "HTTP 404" in error


def test_no_redirect_is_followed_where_only_some_urls_are_allowed(con: thano_duckdb.Connection, server: str) -> None:
    redirecting = f"{server}/to?/clip.flac"
    reason = "The server redirects to another URL, which is not followed."
    assert con.execute("SELECT thano_audio_info(?).error", [redirecting]).fetchall() == [(reason,)]
    predicted = con.sql(
        f"PREDICT USING Wav2Vec2TinyEn OPTIONS (include='error') AS SELECT '{redirecting}' AS audio_path"
    )
    with pytest.warns(thano_duckdb.ThanoWarning, match=reason):
        assert predicted.fetchall()[0][-1] == reason
    shown = thano_duckdb.show(con.sql(f"SELECT '{redirecting}' AS audio_path, 'a' AS predicted"))
    assert reason in shown.html
