"""Of a clip at a URL only those parts are fetched that are needed."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tests.audio.object_store import KEY_ID, REGION, SECRET, object_store
from tests.audio.sounds import clip_of, encode, hiss, waveform
from tests.audio.test_remote import memory_as_s3
from tests.audio.web_server import CLIP, Clips, serving
from thano_duckdb.audio.decode import AudioFailure, decode
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.remote_parts import BLOCK_BYTES, RemoteParts
from thano_duckdb.audio.source import Clip
from thano_duckdb.pages.players import MAX_CLIP_S, Player, player

FORMATS = [("WAV", "PCM_16", 1), ("FLAC", "PCM_16", 1), ("OGG", "VORBIS", 5), ("MP3", "MPEG_LAYER_III", 2)]
"""Container, coding, and the blocks of a file of two minutes that libsndfile needs: of OGG and MP3 also the end."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that sends the files of `Clips.files`, whole or in parts."""
    for container, subtype, _ in FORMATS:
        mode = "VARIABLE" if container == "MP3" else None
        Clips.files[container] = encode(hiss(120), container, subtype, bitrate_mode=mode)
    Clips.files |= {"empty": b"", "short": CLIP, "text": b"no audio, " * 20_000}
    with serving() as port:
        yield f"http://127.0.0.1:{port}"
    Clips.files.clear()


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    Clips.sent.clear()


def reason(url: str, **limits: float) -> str:
    failed = probe(Clip.of(url), limits=ReadLimits().changed(limits))
    assert isinstance(failed, AudioFailure), failed
    return failed.reason


@pytest.mark.parametrize(("container", "subtype", "n_blocks"), FORMATS)
def test_the_header_is_fetched_alone(server: str, container: str, subtype: str, n_blocks: int) -> None:
    content = Clips.files[container]
    found = probe(Clip.of(f"{server}/file?{container}"))
    assert found == probe(Clip.of(content))
    assert isinstance(found, AudioInfo)
    assert found.subtype == subtype
    assert sum(Clips.sent) <= n_blocks * BLOCK_BYTES < len(content)


def test_a_short_file_takes_one_request(server: str) -> None:
    assert probe(Clip.of(f"{server}/file?short")) == probe(Clip.of(CLIP))
    assert Clips.sent == [len(CLIP)]


def test_a_part_of_a_long_clip_is_fetched_alone(server: str) -> None:
    expected = waveform(Clips.files["WAV"], start_s=90, stop_s=91).samples
    assert np.array_equal(waveform(f"{server}/file?WAV", start_s=90, stop_s=91).samples, expected)
    assert sum(Clips.sent) <= 4 * BLOCK_BYTES < len(Clips.files["WAV"])


def test_a_whole_clip_is_one_request(server: str) -> None:
    assert np.array_equal(waveform(f"{server}/file?WAV").samples, waveform(Clips.files["WAV"]).samples)
    assert Clips.sent == [len(Clips.files["WAV"])]


def test_a_player_fetches_only_what_it_plays(server: str) -> None:
    made = player(Clip.of(f"{server}/file?WAV"))
    assert isinstance(made, Player)
    assert made.embedded_s == MAX_CLIP_S
    assert sum(Clips.sent) < 0.9 * len(Clips.files["WAV"])


def test_what_is_read_to_its_end_takes_few_requests(server: str) -> None:
    found = decode(clip_of(f"{server}/file?MP3", start_s=1.0))
    assert not isinstance(found, AudioFailure)
    assert len(Clips.sent) <= 8


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-9/5",
        "bytes 0-9/1000",
        "bytes 5-65535/99999999",
        "bytes 0-99999999/*",
        "",
        "nonsense",
        "bytes 0-65535/65536",
    ],
)
def test_a_server_that_sends_wrong_parts_is_asked_for_the_whole(server: str, content_range: str) -> None:
    url = f"{server}/wrong_range?{urllib.parse.quote(content_range)}"
    assert probe(Clip.of(url)) == probe(Clip.of(CLIP))


@pytest.mark.parametrize("name", ["clip.flac", "gzip"])
def test_a_server_that_sends_no_parts_sends_the_whole(server: str, name: str) -> None:
    assert probe(Clip.of(f"{server}/{name}")) == probe(Clip.of(CLIP))


def test_each_failure_has_its_reason(server: str) -> None:
    assert reason(f"{server}/file?empty") == "It is empty (0 bytes)."
    assert reason(f"{server}/file?text") == "It is a text file, not audio."
    assert reason(f"{server}/404") == "HTTP 404: there is nothing at this address."
    assert "larger than 100,000 bytes" in reason(f"{server}/file?WAV", max_bytes=100_000)
    assert "did not arrive within 0.2 s" in reason(f"{server}/silent", timeout=0.2)
    assert sum(Clips.sent) <= 2 * BLOCK_BYTES


def test_a_file_that_changes_meanwhile_is_not_mixed(server: str) -> None:
    class Changing(dict[str, bytes]):
        def __getitem__(self, name: str) -> bytes:
            content = super().__getitem__(name)
            return content if not Clips.sent else bytes(4) + content[4:]

    kept = Clips.files
    try:
        Clips.files = Changing(kept)
        failed = decode(clip_of(f"{server}/file?WAV", start_s=90, stop_s=91))
    finally:
        Clips.files = kept
    assert failed == AudioFailure("The file on the server changed while it was read.")


def test_a_store_sends_parts(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    store = memory_as_s3(monkeypatch)
    store.pipe_file("/clips/long.wav", Clips.files["WAV"])
    store.pipe_file("/clips/empty.wav", b"")
    fetched: list[int] = []
    cat_file = type(store).cat_file

    def counted(self: MemoryFileSystem, path: str, start: int, end: int) -> Any:
        fetched.append(end - start)
        return cat_file(self, path, start=start, end=end)

    monkeypatch.setattr(type(store), "cat_file", counted)
    assert probe(Clip.of("s3://clips/long.wav")) == probe(Clip.of(Clips.files["WAV"]))
    assert sum(fetched) <= 3 * BLOCK_BYTES
    assert reason("s3://clips/empty.wav") == "It is empty (0 bytes)."


def test_s3fs_reads_parts(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    with object_store() as store:
        store.objects |= {"calls/long.wav": Clips.files["WAV"], "calls/empty.wav": b""}
        for name, value in {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store.port}",
        }.items():
            monkeypatch.setenv(name, value)
        assert probe(Clip.of("s3://calls/long.wav")) == probe(Clip.of(Clips.files["WAV"]))
        assert [asked for _, _, asked in store.requests] == [None, f"bytes=0-{BLOCK_BYTES - 1}"]
        assert reason("s3://calls/empty.wav") == "It is empty (0 bytes)."
        assert reason("s3://calls/none.wav") == "There is nothing at this s3:// address."


def test_any_read_gives_the_bytes_of_the_file() -> None:
    rng = np.random.default_rng(0)
    content = rng.bytes(5 * BLOCK_BYTES + 7)
    with RemoteParts(content[:BLOCK_BYTES], len(content), lambda start, stop: content[start:stop]) as parts:
        for _ in range(200):
            offset, n_bytes = (int(each) for each in rng.integers(0, len(content) + 9, 2))
            assert parts.read_at(offset, n_bytes) == content[offset : offset + n_bytes]
            parts.seek(offset)
            assert parts.read(n_bytes) == content[offset : offset + n_bytes]
        parts.seek(-5)
        assert (parts.tell(), parts.read()) == (0, content)


def test_an_error_of_the_server_is_raised_whatever_was_made_of_it() -> None:
    def fetch(start: int, stop: int) -> bytes:
        raise OSError("gone")

    def read(parts: RemoteParts) -> None:
        with parts:
            assert parts.read(10) == bytes(10)
            parts.seek(BLOCK_BYTES)
            assert parts.read(10) == parts.read(10) == b""
            raise ValueError("the file ends too early")

    with pytest.raises(OSError, match="gone"):
        read(RemoteParts(bytes(BLOCK_BYTES), 3 * BLOCK_BYTES, fetch))
