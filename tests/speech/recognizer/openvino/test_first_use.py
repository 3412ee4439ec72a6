"""The first statement with a model converts it: the bar and the plan say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import thano_duckdb

CONVERTING = "converting model {} for OpenVINO, once .."
MORE_MEMORY = "and more while the model is converted"
PLANNED = "plus converting the model for OpenVINO, once, and loading it"


def test_the_bar_and_the_plan_say_that_a_model_is_converted_once(
    random_model: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = random_model("wav2vec2-group")
    noise = 0.1 * np.random.default_rng(0).standard_normal(8000)
    soundfile.write(tmp_path / "noise.wav", noise, 16_000)

    def statement(precision: str) -> str:
        options = f"device='openvino', precision='{precision}'"
        return f"PREDICT USING '{model}' OPTIONS ({options}) AS SELECT '{tmp_path / 'noise.wav'}' AS audio_path"

    with thano_duckdb.connect(progress=True) as con:

        def plan(precision: str) -> str:
            return "\n".join(row[1] for row in con.execute(f"EXPLAIN {statement(precision)}").fetchall())

        assert PLANNED in plan("float32")
        assert MORE_MEMORY in plan("float32")
        con.execute(statement("float32"))
        assert CONVERTING.format(model) in capsys.readouterr().err
        assert PLANNED not in plan("float32")
        assert MORE_MEMORY not in plan("float32")
        con.execute(statement("bfloat16"))  # of the same network
        assert CONVERTING.format(model) not in capsys.readouterr().err
