"""Speeds are measured while models transcribe, and remembered from one process to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.speeds import SPEEDS_FILE, Speed, SpeedMeter, speed_key


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def transcribe(meter: SpeedMeter, clock: Clock, audio_s: float, elapsed_s: float, key: str = "model") -> None:
    with meter.call(key, SilentMonitor()) as monitor:
        monitor.clips_done(1, audio_s)
        monitor.clips_cached(5, 1000.0)
        clock.now_s += elapsed_s


def per_s(meter: SpeedMeter, home: Path | None = None, key: str = "model") -> float | None:
    speed = meter.speed(key, home)
    return None if speed is None else speed.per_s


def test_the_speed_is_that_of_what_was_computed() -> None:
    clock = Clock()
    meter = SpeedMeter(clock)
    assert meter.speed("model", None) is None
    transcribe(meter, clock, 100.0, 10.0)
    transcribe(meter, clock, 100.0, 30.0)
    assert per_s(meter) == 5.0
    assert per_s(meter, key="other") is None


def test_calls_that_overlap_count_their_time_once() -> None:
    clock = Clock()
    meter = SpeedMeter(clock)
    with meter.call("model", SilentMonitor()) as first, meter.call("model", SilentMonitor()) as second:
        first.clips_done(1, 60.0)
        second.clips_done(1, 60.0)
        clock.now_s += 12.0
    assert per_s(meter) == 10.0


def test_small_calls_say_nothing_about_large_ones() -> None:
    clock = Clock()
    meter = SpeedMeter(clock)
    transcribe(meter, clock, 3.0, 1.0)
    assert per_s(meter) is None
    transcribe(meter, clock, 40.0, 10.0)
    transcribe(meter, clock, 4000.0, 100.0)  # full batches
    transcribe(meter, clock, 40.0, 10.0)
    assert per_s(meter) == 40.0


def test_what_was_interrupted_counts_as_far_as_it_got() -> None:
    clock = Clock()
    meter = SpeedMeter(clock)

    def interrupted() -> None:
        with meter.call("model", SilentMonitor()) as monitor:
            monitor.clips_done(1, 50.0)
            clock.now_s += 5.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert per_s(meter) == 10.0


def test_another_process_remembers(tmp_path: Path) -> None:
    clock = Clock()
    meter = SpeedMeter(clock)
    worth_saving = [meter.is_worth_saving]
    transcribe(meter, clock, 100.0, 10.0)
    worth_saving.append(meter.is_worth_saving)
    meter.save(tmp_path)
    worth_saving.append(meter.is_worth_saving)
    assert worth_saving == [False, True, False]
    assert SpeedMeter().speed("model", tmp_path) == Speed(100.0, 10.0, 100.0, is_remembered=True)
    other = SpeedMeter(clock)
    transcribe(other, clock, 90.0, 10.0, "second")
    other.save(tmp_path)
    assert per_s(SpeedMeter(), tmp_path) == 10.0
    assert per_s(SpeedMeter(), tmp_path, "second") == 9.0
    assert [path.name for path in tmp_path.iterdir()] == [SPEEDS_FILE]


@pytest.mark.parametrize("text", ["", "[1]", '{"model": 3}', '{"model": [1, "x", 2]}', '{"model": [1, 0, 2]}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / SPEEDS_FILE).write_text(text)
    assert SpeedMeter().speed("model", tmp_path) is None


def test_a_home_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    clock = Clock()
    meter = SpeedMeter(clock)
    transcribe(meter, clock, 100.0, 10.0)
    meter.save(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_a_speed_belongs_to_model_device_and_kind_of_decoder() -> None:
    class Beam:
        beam_width = 100

    class Wider:
        beam_width = 200

    keys = {
        speed_key(network, hardware, decoder)
        for network in ("a", "b")
        for hardware in ("cpu", "cuda")
        for decoder in (Beam(), Wider(), None)
    }
    assert len(keys) == 12
    assert speed_key("a", "cpu", Beam()) == speed_key("a", "cpu", Beam())
