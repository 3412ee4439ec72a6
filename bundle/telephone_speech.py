"""Put the tutorial's clips through a telephone: `python -m bundle.telephone_speech`, in the root of the repository.

Writes thano_duckdb/models/bundled/telephone_data: 000.wav to 099.wav, each the tutorial's clip of the same number as a
mobile phone transmits it (300 to 3,400 Hz, 8 kHz, the GSM codec at 13 kbit/s), and two tables of audio_path, text and
speaker, with the same clips in each as the tutorial has. The small model has heard such voices, but no such line.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bundle.tutorial_speech import FOLDER as TUTORIAL
from bundle.tutorial_speech import SPEAKERS
from bundle.voices import SAMPLE_RATE_HZ, Samples

FOLDER = TUTORIAL.with_name("telephone_data")
DATASET_FOLDER = "tutorial_data/telephone_data"
"""Where GET THANOSQL DATASET copies the clips, and therefore the folder in the tables."""
RATE_HZ = 8_000
PASS_BAND_HZ = (300, 3_400)
SLOPES = (6, 20)
"""The steepness of both edges: powers of the frequency."""
PEAK = 0.6


def main() -> None:
    """Transmit every clip and write the two tables."""
    FOLDER.mkdir(exist_ok=True)
    for part in ("train", "test"):
        with (TUTORIAL / f"librispeech_{part}.csv").open(encoding="utf-8", newline="") as file:
            clips = list(csv.DictReader(file))
        rows = []
        for clip in clips:
            path = TUTORIAL / Path(clip["audio_path"]).name
            samples = np.asarray(soundfile.read(path, dtype="float32")[0], np.float32)
            soundfile.write(FOLDER / f"{path.stem}.wav", transmitted(samples), RATE_HZ, subtype="GSM610")
            speaker = SPEAKERS[int(path.stem) % len(SPEAKERS)]
            rows.append((f"{DATASET_FOLDER}/{path.stem}.wav", clip["text"], speaker.name))
        with (FOLDER / f"telephone_{part}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["audio_path", "text", "speaker"])
            table.writerows(rows)


def transmitted(samples: Samples) -> Samples:
    """A clip of 16 kHz in the band of a telephone, at 8 kHz."""
    narrow = soxr.resample(samples, SAMPLE_RATE_HZ, RATE_HZ)
    hz = np.fft.rfftfreq(len(narrow), 1 / RATE_HZ)
    low, high = PASS_BAND_HZ
    gain = (1 + (low / np.maximum(hz, 1)) ** SLOPES[0]) ** -0.5 / (1 + (hz / high) ** SLOPES[1])
    in_band = np.fft.irfft(np.fft.rfft(narrow) * gain, len(narrow))
    level: Samples = (in_band * (PEAK / np.abs(in_band).max())).astype(np.float32)
    return level


if __name__ == "__main__":
    main()
