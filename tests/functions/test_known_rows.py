"""Where a lasting cache has all transcripts, a new process neither imports torch nor loads the model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import soundfile

import thano_duckdb
from tests.training.kit import write_clips
from thano_duckdb.functions import engine_calls, known_rows
from thano_duckdb.speech import processor
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.lasting_cache import content_hashes
from thano_duckdb.speech.processor import arithmetic_without_torch

MODEL = "Wav2Vec2TinyEn"

asked_of_torch = processor.has_bfloat16  # before a fixture replaces it

RUN = """
    import json, sys
    import thano_duckdb
    from thano_duckdb.speech.lasting_cache import content_hashes
    content_hashes.SETTLED_NS = 0
    home, *statements = sys.argv[1:]
    with thano_duckdb.connect(model_home=home) as con:
        con.execute("SET thano_cache = True; SET thano_device = 'cpu'")
        results = [con.execute(each).fetchall() for each in statements]
    print(json.dumps([results, "torch" in sys.modules]))
"""


def run(home: Path, *statements: str) -> tuple[list[Any], bool]:
    """What statements give in a new process, and whether it imported torch."""
    command = [
        sys.executable,
        "-W",
        "error::thano_duckdb.ThanoWarning",
        "-c",
        textwrap.dedent(RUN),
        str(home),
        *statements,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=True)
    results, has_torch = json.loads(done.stdout)
    return results, has_torch


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clips(folder)
    monkeypatch.setattr(content_hashes, "SETTLED_NS", 0)  # else what was written just now is read again
    return folder


@pytest.fixture
def con(tmp_path: Path) -> Any:
    with thano_duckdb.connect(model_home=tmp_path / "home") as connection:
        connection.execute("SET thano_cache = True; SET thano_device = 'cpu'; SET thano_precision = 'float32'")
        yield connection


@pytest.fixture
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process without torch, where the model must not be needed."""
    monkeypatch.setattr(known_rows, "has_torch", lambda: False)
    monkeypatch.setattr(engine_calls, "choose_engine", lambda *_: pytest.fail("the model is loaded"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch says which device there is")
def test_a_new_process_imports_torch_only_for_clips_that_are_not_known(clips: Path, tmp_path: Path) -> None:
    home, listed = tmp_path / "home", f"SELECT file AS audio_path, 'YES' AS text FROM glob('{clips}/*.wav')"
    predict = f"PREDICT USING {MODEL} AS {listed} ORDER BY 1"
    [first], has_torch = run(home, predict)
    assert has_torch
    [second, _, third, _, counts, *_], has_torch = run(
        home,
        predict,
        f"CREATE TABLE t AS {predict}",
        "FROM t",
        f"CREATE TABLE long AS PREDICT USING {MODEL} AS SELECT audio_path FROM t, range(5000)",  # would be read ahead
        "SELECT count(DISTINCT audio_path), count(DISTINCT (audio_path, predicted)), count(*) FROM long",
        f"EVALUATE USING {MODEL} AS {listed}",
        f"PREDICT USING {MODEL} AS PREDICT USING {MODEL} OPTIONS (result_col='inner') AS {listed}",
    )
    assert not has_torch
    assert second == third == first
    assert counts == [[len(first), len(first), 5000 * len(first)]]
    soundfile.write(clips / "new.wav", np.random.default_rng(1).normal(0, 0.1, 16_000), 16_000)
    [fourth], has_torch = run(home, predict)
    assert has_torch
    assert [row for row in fourth if not row[0].endswith("new.wav")] == first


def everything(con: thano_duckdb.Connection, options: str, query: str) -> tuple[list[Any], list[str]]:
    """The rows and the warnings of a PREDICT."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        rows = con.execute(f"PREDICT USING {MODEL} OPTIONS (include='all'{options}) AS {query}").fetchall()
    return rows, [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    "options",
    ["", ", language_model=NULL", ", hotwords=['YES', '42', 'X']", ", hotwords_col='words'", ", level='exact', stop=1"],
)
def test_rows_and_warnings_are_those_of_a_loaded_model(
    con: thano_duckdb.Connection, clips: Path, options: str, request: pytest.FixtureRequest
) -> None:
    query = f"SELECT file AS audio_path, ['NO', '7'] AS words FROM glob('{clips}/*.wav') UNION ALL SELECT NULL, NULL"
    expected = everything(con, options, query)
    request.getfixturevalue("_no_model")
    assert everything(con, options, query) == expected


def test_channels_that_differ_are_warned_of(
    con: thano_duckdb.Connection, clips: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    voices = [soundfile.read(path)[0][:16_000] for path in sorted(clips.iterdir())[:2]]
    n_samples = min(map(len, voices))
    left, right = (
        np.concatenate(pair) for pair in ((voices[0], np.zeros(n_samples)), (np.zeros(n_samples), voices[1]))
    )
    n_both = min(len(left), len(right))
    soundfile.write(tmp_path / "call.wav", np.stack([left[:n_both], right[:n_both]], axis=1), 16_000)
    expected = everything(con, "", f"SELECT '{tmp_path}/call.wav' AS audio_path")
    request.getfixturevalue("_no_model")
    assert everything(con, "", f"SELECT '{tmp_path}/call.wav' AS audio_path") == expected


@pytest.mark.parametrize(
    "options",
    ["cache=FALSE", "device='cuda'", "precision='float16'", "cluster='ray'", "beam_width=7", "skip_silence=FALSE"],
)
def test_the_model_is_loaded_where_only_it_can_tell(
    con: thano_duckdb.Connection, clips: Path, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"AS SELECT file AS audio_path FROM glob('{clips}/*.wav')"
    con.execute(f"PREDICT USING {MODEL} {query}").fetchall()
    monkeypatch.setattr(known_rows, "has_torch", lambda: False)

    def load(*_: Any) -> Any:
        raise thano_duckdb.ModelError("it would be loaded")

    monkeypatch.setattr(engine_calls, "choose_engine", load)
    with pytest.raises(thano_duckdb.ModelError, match="it would be loaded"):
        con.execute(f"PREDICT USING {MODEL} OPTIONS ({options}) {query}").fetchall()
    con.execute(f"PREDICT USING {MODEL} {query}").fetchall()


def test_a_model_that_was_changed_is_loaded(
    con: thano_duckdb.Connection, clips: Path, any_small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(any_small_model, model)
    statement = f"PREDICT USING '{model}' AS SELECT file AS audio_path FROM glob('{clips}/*.wav')"
    expected = con.execute(statement).fetchall()
    monkeypatch.setattr(known_rows, "has_torch", lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(engine_calls, "choose_engine", lambda *_: pytest.fail("the model is loaded"))
        assert con.execute(statement).fetchall() == expected
        settings = model / "config.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "note": "changed"}))
        with pytest.raises(duckdb.Error, match="the model is loaded"):
            con.execute(statement).fetchall()
    assert con.execute(statement).fetchall() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only torch can tell")
@pytest.mark.parametrize("has_openvino", [True, False])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16", "int8"])
def test_the_arithmetic_without_torch_is_that_of_torch(
    monkeypatch: pytest.MonkeyPatch, precision: str, has_openvino: bool
) -> None:
    monkeypatch.setattr(processor, "has_bfloat16", asked_of_torch)
    monkeypatch.setattr(processor, "has_openvino", lambda: has_openvino)
    for device in ("cpu", "openvino") if has_openvino else ("cpu",):
        assert arithmetic_without_torch(device, precision) == choose_device(device, precision).arithmetic
    if (found := arithmetic_without_torch("auto", precision)) is not None:
        assert found == choose_device("auto", precision).arithmetic
    assert arithmetic_without_torch("cuda", precision) is None
    assert has_openvino or arithmetic_without_torch("openvino", precision) is None


def test_nothing_is_read_before_the_model_is_loaded(
    con: thano_duckdb.Connection, clips: Path, any_small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = f"PREDICT USING '%s' AS SELECT file AS audio_path FROM glob('{clips}/*.wav')"
    con.execute(statement % MODEL + " LIMIT 1").fetchall()
    shutil.copytree(any_small_model, tmp_path / "model")
    monkeypatch.setattr(known_rows, "has_torch", lambda: False)
    monkeypatch.setattr(content_hashes, "hash_of", lambda version: pytest.fail(f"{version.path} is read"))

    def load(*_: Any) -> Any:
        raise thano_duckdb.ModelError("it would be loaded")

    monkeypatch.setattr(engine_calls, "choose_engine", load)
    for model in (MODEL, tmp_path / "model"):  # with unknown clips, and of an unknown model
        with pytest.raises(thano_duckdb.ModelError, match="it would be loaded"):
            con.execute(statement % model).fetchall()
