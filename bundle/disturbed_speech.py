"""Disturb clips as everyday life does: `python -m bundle.disturbed_speech FOLDER CLIPS`.

CLIPS is a CSV file of audio_path and text. Each clip gets sounds that are not speech before it, after it or under it,
another microphone, and a codec: a telephone's (GSM or mu-law, 8 kHz), MP3 or Opus at a low bit rate. So the small model
learns to write nothing where nobody speaks. Writes FOLDER/* and FOLDER/manifest.csv (audio_path, text); the same clips
give the same result.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bundle.not_speech import random_sound
from bundle.telephone_speech import RATE_HZ as TELEPHONE_RATE_HZ
from bundle.telephone_speech import transmitted
from bundle.voices import SAMPLE_RATE_HZ, Samples

BEFORE, AFTER, UNDER = 0.4, 0.4, 0.3
"""How often there is a sound before, after and under the speech."""
NOT_SPEECH_S = (0.5, 4.0)
SIGNAL_TO_SOUND_DB = (3.0, 25.0)
EQUALIZED, EQUALIZER_DB, EQUALIZER_BANDS = 0.6, 8.0, 8
PEAK = 0.5


@dataclass(frozen=True)
class Codec:
    """A file format that loses something.

    Attributes:
        suffix, format, subtype: as libsndfile names them.
        is_telephone: whether it transmits the band of a telephone at 8 kHz.
        levels: the range of the compression level, 1 being the lowest bit rate.
    """

    suffix: str
    format: str
    subtype: str
    is_telephone: bool = False
    levels: tuple[float, float] | None = None


CODECS = {
    Codec(".flac", "FLAC", "PCM_16"): 0.3,
    Codec(".wav", "WAV", "GSM610", is_telephone=True): 0.15,
    Codec(".wav", "WAV", "ULAW", is_telephone=True): 0.15,
    Codec(".mp3", "MP3", "MPEG_LAYER_III", levels=(0.7, 0.99)): 0.2,
    Codec(".ogg", "OGG", "OPUS", levels=(0.8, 0.99)): 0.2,
}
"""The share of the clips in each."""


def disturbed(speech: Samples, seed: list[int]) -> Samples:
    """The clip with other sounds and another microphone: (n_samples,) at 16 kHz."""
    random = np.random.default_rng([*seed, 0])
    loudest = float(np.abs(speech).max(initial=0.0))
    mixed: Samples = speech * np.float32(PEAK / max(loudest, 1e-9))
    before, after, under, equalized = random.random(4) < (BEFORE, AFTER, UNDER, EQUALIZED)
    if before:
        mixed = np.concatenate([random_sound(random.uniform(*NOT_SPEECH_S), [*seed, 1]), mixed])
    if after:
        mixed = np.concatenate([mixed, random_sound(random.uniform(*NOT_SPEECH_S), [*seed, 2])])
    if under:
        sound = random_sound(len(mixed) / SAMPLE_RATE_HZ, [*seed, 3])[: len(mixed)]
        ratio = 10 ** (-random.uniform(*SIGNAL_TO_SOUND_DB) / 20)
        mixed = mixed + sound * np.float32(ratio * np.linalg.norm(mixed) / max(1e-9, float(np.linalg.norm(sound))))
    return _equalized(mixed, random) if equalized else mixed


def _equalized(samples: Samples, random: np.random.Generator) -> Samples:
    """As another microphone records it: some bands louder, others quieter, by a smooth curve."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ) + 60)
    at = np.linspace(octaves[0], octaves[-1], EQUALIZER_BANDS)
    gains_db = np.interp(octaves, at, random.uniform(-EQUALIZER_DB, EQUALIZER_DB, EQUALIZER_BANDS))
    filtered: Samples = np.fft.irfft(spectrum * 10 ** (gains_db / 20), len(samples)).astype(np.float32)
    return filtered


def write(path: Path, samples: Samples, codec: Codec, random: np.random.Generator) -> None:
    """Write a clip; it is complete once it has its name."""
    samples = samples * np.float32(PEAK / max(1e-9, float(np.abs(samples).max())))
    partial = path.with_suffix(".partial")
    soundfile.write(
        partial,
        transmitted(samples) if codec.is_telephone else samples,
        TELEPHONE_RATE_HZ if codec.is_telephone else SAMPLE_RATE_HZ,
        format=codec.format,
        subtype=codec.subtype,
        compression_level=random.uniform(*codec.levels) if codec.levels else None,
    )
    partial.rename(path)


def main() -> None:
    """Disturb every clip and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with arguments.clips.open(encoding="utf-8", newline="") as file:
        for index, clip in enumerate(csv.DictReader(file)):
            random = np.random.default_rng([arguments.seed, index])
            codec = list(CODECS)[random.choice(len(CODECS), p=list(CODECS.values()))]
            path = arguments.folder / f"{index:06}{codec.suffix}"
            if not path.exists():
                recorded, rate_hz = soundfile.read(clip["audio_path"], dtype="float32")
                speech = soxr.resample(recorded, rate_hz, SAMPLE_RATE_HZ)
                write(path, disturbed(speech, [arguments.seed, index]), codec, random)
            rows.append((path.name, clip["text"]))
    with (arguments.folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["audio_path", "text"])
        table.writerows(rows)


if __name__ == "__main__":
    main()
