"""Pack speech for a GPU: `python -m bundle.gpu.pack CORPORA WORK PACK --teacher MODEL.BIN`.

Writes files of at most 58 MB, to be copied to a machine without a network: `clips-*.bin`, the encoded clips one after
the other (Ogg Opus where the original is larger), `clips.csv`, which names the place of each, and
`teacher.safetensors`, the encoder of Whisper base, in bytes per row (see teacher.py). The folder itself is not part
of the project.
"""

from __future__ import annotations

import argparse
import csv
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import soundfile

import thano_duckdb
from bundle.gpu.teacher import write_teacher
from bundle.make_tiny_model import connect
from bundle.not_speech import random_sound
from bundle.voices import SAMPLE_RATE_HZ
from thano_duckdb.models.bundled import MODEL_FOLDER
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.speech.recognizer.vocabulary_files import read_vocabulary

COLUMNS = ("file", "offset", "n_bytes", "part", "corpus", "n_samples", "labels")
MAX_FILE_BYTES = 58_000_000
MAX_S = 29.5
"""The teacher hears 30 s."""
OPUS_LEVEL = 0.96
"""libsndfile's scale from 0 (best) to 1: about 16 kbit/s."""
N_LABELS = 32
N_NOT_SPEECH, NOT_SPEECH_S = 400, 5.0
LIBRISPEECH = "librispeech"
_CLIPS = """
    SELECT part, corpus, audio_path, text FROM people
    WHERE part IN ('train', 'dev') AND duration_s < {max_s} AND corpus <> 'picovoice_wake_words'
    UNION ALL
    SELECT 'train', folder, getvariable('work') || '/' || folder || '/' || audio_path, text
    FROM (
        SELECT *, split_part(filename, '/', -2) AS folder
        FROM read_csv([getvariable('work') || '/' || f || '/manifest.csv' FOR f IN {folders}], filename = true)
    )
    ORDER BY corpus, audio_path
"""


def encoded(path: str) -> tuple[bytes, int]:
    """A clip as Ogg, and its length at 16 kHz."""
    content = Path(path).read_bytes()
    samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32")
    if rate_hz == SAMPLE_RATE_HZ and path.endswith((".ogg", ".opus")):
        return content, len(samples)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)
    return buffer.getvalue(), len(samples) * SAMPLE_RATE_HZ // rate_hz


def not_speech(seed: int) -> tuple[bytes, int]:
    """A clip without speech, as Ogg, and its length."""
    samples = random_sound(NOT_SPEECH_S, [seed, 1])
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)
    return buffer.getvalue(), len(samples)


def packed_clips(con: thano_duckdb.Connection, voices: list[str]) -> list[tuple[str, str, str, str]]:
    """Part (`train` or `dev`), corpus, path and text of all clips: of people, and of folders of synthetic speech."""
    return con.execute(_CLIPS.format(max_s=MAX_S, folders=voices)).fetchall()


def main() -> None:
    """Write the pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="model.bin of Whisper base, for CTranslate2")
    parser.add_argument(
        "--voices", nargs="*", default=["natural", "robotic"], help="folders of WORK with synthetic speech"
    )
    arguments = parser.parse_args()
    pack: Path = arguments.pack
    pack.mkdir(parents=True, exist_ok=True)
    write_teacher(arguments.teacher, pack / "teacher.safetensors")
    alphabet = Alphabet(read_vocabulary(MODEL_FOLDER, N_LABELS))
    with connect(arguments.corpora, arguments.work) as con:
        clips = packed_clips(con, arguments.voices)
    jobs = [(encoded, path) for _, _, path, _ in clips] + [(not_speech, seed) for seed in range(N_NOT_SPEECH)]
    rows = [(part, corpus, text) for part, corpus, _, text in clips] + [("train", "not_speech", "")] * N_NOT_SPEECH
    n_files, offset, out = 0, 0, (pack / "clips-0.bin").open("wb")
    partial = pack / "clips.csv.partial"
    with partial.open("w", newline="") as index, ThreadPoolExecutor(2) as pool:
        table = csv.writer(index)
        table.writerow(COLUMNS)
        for (part, corpus, text), (content, n_samples) in zip(
            rows, pool.map(lambda job: job[0](job[1]), jobs), strict=True
        ):
            if offset + len(content) > MAX_FILE_BYTES:
                out.close()
                n_files, offset = n_files + 1, 0
                out = (pack / f"clips-{n_files}.bin").open("wb")
            out.write(content)
            labels = " ".join(map(str, alphabet.labels(text).ids))
            table.writerow((out.name.rsplit("/", 1)[-1], offset, len(content), part, corpus, n_samples, labels))
            offset += len(content)
    out.close()
    partial.rename(pack / "clips.csv")


if __name__ == "__main__":
    main()
