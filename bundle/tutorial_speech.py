"""Speak the tutorial's clips: `python -m bundle.tutorial_speech`, in the root of the repository.

Writes thano_duckdb/models/bundled/librispeech_data: 000.flac to 099.flac, librispeech_train.csv (000 to 079) and
librispeech_test.csv (080 to 099), each with audio_path and text. Voices, rooms and noise are the same in each run;
the samples are not, since piper adds randomness of its own.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import soundfile

from bundle.voices import SAMPLE_RATE_HZ, Samples, Voice
from thano_duckdb.training.augment import Augmentation, Noise, Room

SENTENCES = Path(__file__).with_name("tutorial_sentences.txt")
FOLDER = Path(__file__).parents[1] / "thano_duckdb" / "models" / "bundled" / "librispeech_data"
DATASET_FOLDER = "tutorial_data/librispeech_data"
"""Where GET THANOSQL DATASET copies the clips, and therefore the folder in the tables."""
N_TRAIN = 80
SEED = 2022

SPEAKERS = (
    Voice("piper", "joe", size=1.0),
    Voice("flite", "slt", size=1.0),
    Voice("piper", "joe", size=0.9),
    Voice("flite", "rms", size=1.0),
    Voice("piper", "joe", size=1.1),
    Voice("flite", "awb", size=1.0),
    Voice("piper", "joe", size=1.18),
    Voice("flite", "slt", size=1.08),
    Voice("piper", "joe", size=0.95),
    Voice("flite", "rms", size=1.08),
)
IN_A_ROOM, IN_NOISE = 0.25, 0.4
PEAK = 0.7
SILENCE_S = 0.15
"""The silence before and after the words."""


def main() -> None:
    """Speak every sentence and write the two tables."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()
    rows = []
    for index, sentence in enumerate(sentences):
        name = f"{index:03}.flac"
        soundfile.write(FOLDER / name, _clip(index, sentence), SAMPLE_RATE_HZ, subtype="PCM_16")
        rows.append((f"{DATASET_FOLDER}/{name}", sentence))
    _write_table("librispeech_train.csv", rows[:N_TRAIN])
    _write_table("librispeech_test.csv", rows[N_TRAIN:])


def _clip(index: int, sentence: str) -> Samples:
    rng = random.Random(SEED + index)
    speaker = SPEAKERS[index % len(SPEAKERS)]
    voice = Voice(speaker.engine, speaker.name, speaker.size, rng.uniform(0.9, 1.08), liveliness=0.9)
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE_HZ), np.float32)
    spoken = np.concatenate([silence, _without_silence(voice.speak(sentence)), silence])
    heard = _augmentation(index, rng).apply(spoken, change_speed=False)
    level: Samples = (heard * (PEAK / np.abs(heard).max())).astype(np.float32)
    return level


def _augmentation(index: int, rng: random.Random) -> Augmentation:
    """Small rooms and little noise, so that everybody can understand the clips."""
    room = Room(rng.uniform(0.15, 0.3), rng.uniform(8, 15))
    noise = Noise(rng.uniform(22, 32), rng.uniform(0.6, 0.95))
    in_a_room, in_noise = rng.random() < IN_A_ROOM, rng.random() < IN_NOISE
    return Augmentation(1.0, room if in_a_room else None, False, noise if in_noise else None, (SEED, 0, index))


def _without_silence(samples: Samples) -> Samples:
    """Trim both ends that are quieter than a hundredth of the loudest sample."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def _write_table(name: str, rows: list[tuple[str, str]]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["audio_path", "text"])
        table.writerows(rows)


if __name__ == "__main__":
    main()
