"""Speech on which networks are checked and quantised: that of the package, always the same, so that texts are too."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ModelError
from thano_duckdb.models.bundled import dataset_folder

N_CLIPS = 32


@functools.cache
def calibration_clips() -> tuple[NDArray[np.float32], ...]:
    """Clips of 1.8 to 3.6 s, mono at 16 kHz.

    Raises:
        ModelError: this copy of the package does not contain them.
    """
    folder = dataset_folder("librispeech_data")
    paths = sorted(folder.glob("*.flac"))[:N_CLIPS]
    waveforms = [decode(Clip.of(str(path))) for path in paths]
    samples = tuple(each.samples for each in waveforms if isinstance(each, Waveform))
    if len(samples) < N_CLIPS:
        raise ModelError(f"clips are missing from this copy of the package ({folder}): install it again")
    return samples
