"""Corrupt clips of every container that libsndfile or ffmpeg writes: truncated, with flipped bits, with random bytes.

`python -m tests.audio.corrupt_clips 10000 [SEED]` reads that many, by `decode` and `probe`, from memory and from files.
Nothing may be raised, crash, or be printed, but the last line.
"""

from __future__ import annotations

import collections
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from tests.audio.media_files import FFMPEG, OF_FFMPEG, made
from tests.audio.sounds import encode, hiss
from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.info import AudioInfo, probe
from thano_duckdb.audio.source import Clip

RATES_HZ = (16_000, 8_000, 48_000)
WRITES_FILES_OF_ITS_OWN = ("SD2",)
"""Its format is in a second file, which libsndfile creates in the working folder."""


def whole_clips() -> dict[tuple[str, str], bytes]:
    """A short clip of each container and encoding."""
    clips = {}
    for container in sorted(set(soundfile.available_formats()) - set(WRITES_FILES_OF_ITS_OWN)):
        for subtype in sorted(soundfile.available_subtypes(container)):
            for rate_hz in RATES_HZ:
                if soundfile.check_format(container, subtype):
                    try:
                        clips[container, subtype] = encode(hiss(0.3, rate_hz), container, subtype, rate_hz)
                        break
                    except soundfile.LibsndfileError:  # it cannot have this rate, or is only read
                        continue
    if FFMPEG is not None:
        clips |= {(media.container, media.encoding): made(media, 0.5) for media in OF_FFMPEG if media.suffix != "g722"}
    return clips


def corrupt_clips(n_clips: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`n_clips` with their containers; the same for the same seed."""
    random = np.random.default_rng(seed)
    whole = whole_clips()
    by_container: dict[str, list[bytes]] = collections.defaultdict(list)
    for (container, _), clip in whole.items():
        by_container[container].append(clip)
    containers = list(by_container)
    for number in range(n_clips):
        container = containers[number % len(containers)]
        variants = by_container[container]
        content = bytearray(variants[random.integers(len(variants))])
        damage = random.integers(1, 8)  # one, two or three kinds of damage
        if damage & 1:  # bytes of the header
            for offset in random.integers(0, min(len(content), 600), random.integers(1, 9)):
                content[offset] = random.integers(256)
        if damage & 2:  # bits anywhere
            for offset in random.integers(0, len(content), random.integers(1, 33)):
                content[offset] ^= 1 << random.integers(8)
        if damage & 4:
            del content[random.integers(len(content)) :]
        yield container, bytes(content)


def read_all(n_clips: int, seed: int) -> collections.Counter[str]:
    """How many of the clips could be read, and how many not."""
    outcomes: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        for number, (_, content) in enumerate(corrupt_clips(n_clips, seed)):
            clip = Clip.of(content)
            if number % 2:
                path.write_bytes(content)
                clip = Clip.of(str(path))
            decoded, info = decode(clip), probe(clip)
            assert isinstance(decoded, Waveform | AudioFailure)
            assert isinstance(info, AudioInfo | AudioFailure)
            if isinstance(decoded, AudioFailure):
                assert decoded.reason
                assert "\n" not in decoded.reason
                outcomes["refused"] += 1
            else:
                assert len(decoded.samples)
                assert np.isfinite(decoded.samples).all()
                outcomes["read"] += 1
    return outcomes


if __name__ == "__main__":
    # libsndfile prints to the descriptors: what it prints shows before the last line.
    found = read_all(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    os.write(1, f"{found['read']} read, {found['refused']} refused\n".encode())
