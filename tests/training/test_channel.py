"""BUILD and FIT train on one channel of each recording, or on the mix."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import thano_duckdb
from tests.audio.sounds import encode
from tests.audio.test_mixing import call, side_by_side
from tests.training.kit import NotingMonitor, run_build
from thano_duckdb.audio.decode import decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError
from thano_duckdb.training import build
from thano_duckdb.training.training_options import Example, TrainingOptions


def test_a_build_reads_the_channel_alone(tmp_path: Path, small_model: Path) -> None:
    left, right = call().T
    (tmp_path / "call.wav").write_bytes(encode(side_by_side(left, right), "WAV", "PCM_16"))
    decoded: list[Any] = []

    def recording(clip: Clip, **arguments: Any) -> Any:
        decoded.append(decode(clip, **arguments))
        return decoded[-1]

    rows = f"SELECT '{tmp_path}/call.wav' AS audio_path, 'GO' AS text"
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as con:
        with mock.patch.object(build, "decode", recording):
            con.execute(f"BUILD MODEL m USING '{small_model}' OPTIONS (epochs=1, channel=2) AS {rows}")
        assert decoded
        for waveform in decoded:
            np.testing.assert_allclose(waveform.samples, right, atol=1e-4)
        with pytest.raises(ThanoError, match="It has no channel 3: it has 2 channels, counted from 1"):
            con.execute(f"BUILD MODEL n USING '{small_model}' OPTIONS (epochs=1, channel=3) AS {rows}")


def test_training_on_the_mix_of_two_voices_is_warned_of(
    tmp_path: Path, small_model: Path, clips: list[Example]
) -> None:
    monitor = NotingMonitor()
    rows = [*clips, Example(Clip.of(encode(call(), "WAV", "PCM_16")), "GO")]
    run_build(tmp_path, small_model, rows, TrainingOptions(epochs=1), monitor=monitor)
    (sentence,) = monitor.sentences
    assert sentence.startswith("The channels of 1 clip (<blob of ")


def test_each_channel_cannot_be_trained_on() -> None:
    with pytest.raises(ThanoError, match="each row has one text"):
        TrainingOptions(channel="each")
