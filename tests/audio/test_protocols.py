"""A path in a column of data runs no code and opens no file in disguise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.audio.sounds import encode, hum, reason
from thano_duckdb.audio.failure import AudioFailure, UnreadableAudioError
from thano_duckdb.audio.info import probe
from thano_duckdb.audio.limits import DEFAULT_LIMITS
from thano_duckdb.audio.protocols import check_supported, protocol_of
from thano_duckdb.audio.readers import open_sound
from thano_duckdb.audio.source import Clip
from thano_duckdb.pages.players import player

TEMPLATE = "{{ cycler.__init__.__globals__.os.system('touch pwned') }}"


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a reference file that runs a command when fsspec reads it, a clip, and an archive of neither."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.json").write_text(
        json.dumps({"version": 1, "templates": {"u": TEMPLATE}, "gen": [], "refs": {"x": ["{{u}}" + TEMPLATE]}})
    )
    (tmp_path / "a.wav").write_bytes(encode(hum(1), "WAV"))
    return tmp_path


CHAINS = [
    "reference://x::r.json",
    "REFERENCE://x::r.json",
    "reference://x::file://r.json",
    "reference://x::simplecache::r.json",
    "simplecache::reference://x::r.json",
    "filecache::reference://x::r.json",
    "blockcache::https://example.org/a.wav",
    "simplecache::https://example.org/a.wav",
    "SimpleCache::file://a.wav",
    "zip://a.wav::r.zip",
    "tar://a.wav::r.tar",
    "https://reference://x::r.json",
    "https://example.org/x::reference://x::r.json",
    "http://x::file:///etc/passwd",
    "s3://bucket/x::r.json",
    "hf://x::reference://r.json",
    "dir::file://a.wav",
    "reference::x://r.json",
    "reference%3A%2F%2Fx::r.json",
]
PROTOCOLS = [
    *("reference://r.json", "local://a.wav", "LOCAL://a.wav", "zip://a.wav", "tar://a.wav", "memory://a.wav"),
    *("github://o:r@main/a.wav", "git://a.wav", "ftp://h/a.wav", "sftp://h/a.wav", "ssh://h/a.wav", "smb://h/a.wav"),
    *("data://text/plain;base64,aGk=", "dir://a.wav", "jupyter://h/a.wav", "dask://a.wav", "arrow_hdfs://a.wav"),
    *("cached://a.wav", "blockcache://a.wav", "simplecache://a.wav", "libarchive://a.wav", "webhdfs://h/a.wav"),
    *("generic://a.wav", "asynclocal://a.wav", "async_wrapper://a.wav", "nonsense://a.wav", "abfss://c@a/b.wav"),
]


@pytest.mark.parametrize("location", [*CHAINS, *PROTOCOLS])
def test_other_protocols_and_chains_are_refused(trap: Path, location: str) -> None:
    for failed in (reason(location), _failure(probe(Clip.of(location))), _failure(player(Clip.of(location)))):
        assert failed.endswith(".") or failed.startswith("No such file")
        assert failed.startswith(("URLs chained by '::' are not supported.", "The protocol ", "No such file")), failed
        assert "\n" not in failed
    assert sorted(path.name for path in trap.iterdir()) == ["a.wav", "r.json"]


@pytest.mark.parametrize("location", [each for each in CHAINS if "%3A" not in each])
def test_a_chain_is_no_path(location: str) -> None:
    assert Clip.of(location).is_url


def test_the_reason_names_the_protocol(trap: Path) -> None:
    assert reason("Reference://r.json") == (
        "The protocol reference:// is not supported; use a path, http(s)://, s3://, gs://, az:// or hf://."
    )


def test_a_blob_that_holds_a_url_is_text(trap: Path) -> None:
    assert reason(b"reference://x::r.json") == "It is a text file, not audio."


def test_local_files_are_read_by_file_urls(trap: Path) -> None:
    for location in (f"file://{trap}/a.wav", f"FILE://localhost{trap}/a.wav", "a.wav"):
        with open_sound(Clip.of(location), DEFAULT_LIMITS) as sound:
            assert sound.n_frames == 16_000
    (trap / "b::c.wav").write_bytes(encode(hum(1), "WAV"))
    with open_sound(Clip.of("b::c.wav"), DEFAULT_LIMITS) as sound:  # no URL
        assert sound.n_frames == 16_000


@pytest.mark.parametrize("protocol", ["https", "http", "s3", "s3a", "gs", "gcs", "az", "abfs", "hf"])
def test_what_is_fetched(protocol: str) -> None:
    assert protocol_of(f"{protocol.upper()}://host/a.wav") == protocol
    check_supported(protocol)


@pytest.mark.parametrize(
    "url", ["http://[::1]:80/a.wav", "https://h/a.wav?t=1::2", "https://h/a::b.wav", "https://u:p@h/?x=a%3A%3Ab://"]
)
def test_colons_that_chain_nothing(url: str) -> None:
    assert protocol_of(url) in ("http", "https")


@pytest.mark.parametrize("url", ["", "a.wav", "://", "x://", "::", "s3://a::b"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UnreadableAudioError):
        check_supported(protocol_of(url))


def _failure(found: object) -> str:
    assert isinstance(found, AudioFailure), found
    return found.reason
