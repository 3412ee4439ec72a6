"""A clip that cannot be transcribed gives NULL and its own reason; the other rows are right."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import thano_duckdb

RATE_HZ = 16_000


class _NotFound(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def not_found_url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NotFound)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/clip.wav"
    server.shutdown()
    thread.join()
    server.server_close()


def _bad_clips(folder: Path, good: Path, url: str) -> dict[str, object]:
    noise = np.random.default_rng(7).normal(0, 0.1, RATE_HZ).astype(np.float32)
    (folder / "text.wav").write_text("this is a text, not audio\n" * 50)
    (folder / "empty.flac").touch()
    (folder / "cut.flac").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    sf.write(folder / "short.wav", noise[:10], RATE_HZ)
    sf.write(folder / "nan.wav", np.full(RATE_HZ, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    sf.write(folder / "channels.wav", noise, RATE_HZ)
    header = bytearray((folder / "channels.wav").read_bytes())
    header[22:24] = (0).to_bytes(2, "little")  # the channel count of a WAV header
    (folder / "channels.wav").write_bytes(header)
    return {
        "missing": str(folder / "missing.wav"),
        "directory": str(folder),
        "text": str(folder / "text.wav"),
        "empty": str(folder / "empty.flac"),
        "cut": str(folder / "cut.flac"),
        "short": str(folder / "short.wav"),
        "nan": str(folder / "nan.wav"),
        "channels": str(folder / "channels.wav"),
        "url": url,
        "null": None,
    }


@pytest.mark.filterwarnings("ignore::thano_duckdb.ThanoWarning")
def test_each_bad_clip_has_its_own_reason_and_does_not_affect_the_others(
    con: thano_duckdb.Connection, an4_model: Path, an4_clip: str, tmp_path: Path, not_found_url: str
) -> None:
    good = Path(an4_clip)
    bad = _bad_clips(tmp_path, good, not_found_url)
    con.execute("CREATE TABLE clips (name VARCHAR, audio_path VARCHAR)")
    for name, path in bad.items():
        con.execute("INSERT INTO clips VALUES ('good', ?), (?, ?)", [str(good), name, path])
    rows = con.sql(f"PREDICT USING '{an4_model}' OPTIONS (include='error') AS SELECT * FROM clips").fetchall()
    assert [row[0] for row in rows] == [name for bad_name in bad for name in ("good", bad_name)]
    good_rows, bad_rows = rows[::2], {row[0]: row for row in rows[1::2]}
    assert {(row[2], row[3]) for row in good_rows} == {(good_rows[0][2], None)}
    assert good_rows[0][2]
    reasons = {name: row[3] for name, row in bad_rows.items()}
    assert all(row[2] is None for row in bad_rows.values())
    assert reasons.pop("null") is None
    assert all(reasons.values())
    assert len(set(reasons.values())) == len(reasons)
    for name, phrase in {
        "missing": "no such file",
        "directory": "directory",
        "text": "audio",
        "empty": "empty",
        "cut": "cut short",
        "short": "10 samples",
        "nan": "NaN",
        "url": "404",
    }.items():
        assert phrase.lower() in reasons[name].lower(), (name, reasons[name])


@pytest.mark.filterwarnings("ignore::thano_duckdb.ThanoWarning")
def test_blobs_without_audio_are_reported(con: thano_duckdb.Connection, an4_model: Path) -> None:
    noise = np.random.default_rng(3).bytes(40_000)
    for blob, phrase in ((noise, "audio"), (b"", "empty")):
        row = con.execute(
            f"SELECT t.text, t.error FROM (SELECT thano_transcribe('{an4_model}', ?::BLOB) AS t)", [blob]
        ).fetchone()
        assert row is not None
        assert row[0] is None
        assert phrase in row[1]


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 2), (44_100, 1), (48_000, 6)])
def test_any_rate_and_number_of_channels_is_converted_to_16_khz_mono(
    con: thano_duckdb.Connection, an4_model: Path, an4_clip: str, tmp_path: Path, rate_hz: int, channels: int
) -> None:
    import soxr

    samples, source_hz = sf.read(an4_clip, dtype="float32")
    at_rate = soxr.resample(samples, source_hz, rate_hz)
    sf.write(tmp_path / "clip.wav", np.repeat(at_rate[:, None], channels, axis=1), rate_hz, subtype="FLOAT")
    row = con.execute(
        f"SELECT thano_cer(thano_transcribe('{an4_model}', ?).text, thano_transcribe('{an4_model}', ?).text)",
        [an4_clip, str(tmp_path / "clip.wav")],
    ).fetchone()
    assert row is not None
    assert row[0] <= (0.5 if rate_hz == 8_000 else 0.05)  # 8 kHz has lost the upper half of the spectrum
