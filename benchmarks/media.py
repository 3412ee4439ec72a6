"""What decoding costs in each container: m4a beside flac, per core; and the memory of an hour of stereo m4a."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from benchmarks.passes import PeakMemory
from benchmarks.report import progress, report
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.limits import DEFAULT_LIMITS
from thano_duckdb.audio.readers import open_sound
from thano_duckdb.audio.source import Clip

RATE_HZ = 44_100
MINUTE_S, HOUR_S = 60, 3_600
N_PASSES = 5
FORMATS = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("ipod", "aac"),
    "m4a (ALAC)": ("ipod", "alac"),
    "webm": ("webm", "libopus"),
    "wma": ("asf", "wmav2"),
}


def main() -> None:
    """Make the files, decode them on one thread, and report."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (container, codec) in FORMATS.items():
            progress(name)
            path = Path(folder, f"minute.{container}")
            write_recording(path, MINUTE_S, container, codec)
            cpu_s = []
            for _ in range(N_PASSES + 1):  # the first imports and warms up
                begun_s = time.process_time()
                assert isinstance(decode(Clip.of(str(path))), Waveform)
                cpu_s.append(time.process_time() - begun_s)
            speed = MINUTE_S / float(np.median(cpu_s[1:]))
            rows.append(
                {"what": name, "audio_s": MINUTE_S, "bytes": path.stat().st_size, "audio_s_per_core_s": round(speed)}
            )
        hour = Path(folder, "hour.m4a")
        write_recording(hour, HOUR_S, "ipod", "aac")
        for what, work in (("an hour of m4a, block by block", _stream), ("an hour of m4a, as samples", _decode)):
            progress(what)
            rise_mib = _memory_rise_mib(work, hour)
            rows.append({"what": what, "audio_s": HOUR_S, "bytes": hour.stat().st_size, "memory_rise_mib": rise_mib})
    report("media", rows)


def write_recording(path: Path, duration_s: int, container: str, codec: str) -> None:
    """Tones and noise, in stereo at 44.1 kHz."""
    random = np.random.default_rng(0)
    second = 0.1 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ) + random.normal(0, 0.05, (2, RATE_HZ))
    with av.open(str(path), "w", format=container) as opened:
        rate_hz = 48_000 if codec == "libopus" else RATE_HZ
        stream = opened.add_stream(codec, rate=rate_hz, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 128_000
        resampler = av.AudioResampler(stream.format, "stereo", rate_hz, frame_size=stream.frame_size or None)
        for number in range(duration_s):
            frame = av.AudioFrame.from_ndarray(second.astype(np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts = RATE_HZ, number * RATE_HZ
            for each in resampler.resample(frame):
                opened.mux(stream.encode(each))
        for last in (*resampler.resample(None), None):
            opened.mux(stream.encode(last))


def _stream(path: str) -> None:
    with open_sound(Clip.of(path), DEFAULT_LIMITS) as sound:
        for _ in sound.blocks():
            pass


def _decode(path: str) -> None:
    assert isinstance(decode(Clip.of(path)), Waveform)


def _memory_rise_mib(work: Callable[[str], None], path: Path) -> int:
    """How much the peak of a process rises, which has decoded a second of the same kind before."""
    short = path.with_name("short.m4a")
    write_recording(short, 1, "ipod", "aac")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return round(pool.apply(_measured, (work, str(short), str(path))))


def _measured(work: Callable[[str], None], short: str, path: str) -> float:
    work(short)
    with PeakMemory() as peak:
        work(path)
    return peak.rise_mib
