"""Of a model of many languages on the hub, only the adapters that are asked for are downloaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.mms import hugging_face_text, write_mms
from tests.models.conftest import in_new_process
from tests.models.fake_hub import FakeHub

SCRIPT = """
import sys
from thano_duckdb.models import hub
hub.HUB_TIMEOUT_S = 1
import thano_duckdb
with thano_duckdb.connect(model_home="home", precision="float32", device="cpu") as con:
    for sql in sys.argv[1:]:
        try:
            print(con.sql(sql).fetchall()[0][-1])
        except thano_duckdb.ThanoError as error:
            print("ThanoError", error.problem if isinstance(error, thano_duckdb.DialectError) else error)
"""
PREDICT = "PREDICT USING 'hf://f/mms' OPTIONS (level='exact', {}) AS SELECT 'a.wav' AS audio_path, 'deu' AS lang"
GET = "GET THANOSQL MODEL 'hf://f/mms' OPTIONS (model_name='copy')"
Run = Callable[..., list[str]]


@pytest.fixture
def remote(tmp_path: Path, fake_hub: str) -> Path:
    """A repository with the adapters of two languages, in both formats."""
    folder = write_mms(tmp_path / "remote")
    for language in ("kor", "deu", "fra"):
        (folder / f"adapter.{language}.bin").write_bytes(b"pickle")
    FakeHub.repositories["f/mms"] = folder
    random = np.random.default_rng(1)
    soundfile.write(tmp_path / "a.wav", 0.1 * random.standard_normal(16_000), 16_000, subtype="FLOAT")
    return folder


@pytest.fixture
def run(tmp_path: Path, fake_hub: str) -> Run:
    """Run statements in a new process; gives a line for each."""

    def run(*sql: str, **environment: str) -> list[str]:
        return in_new_process(SCRIPT, *sql, endpoint=fake_hub, home=tmp_path, **environment).splitlines()

    return run


def adapters_in_cache(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "hf").rglob("snapshots/*/adapter.*"))


def test_an_adapter_is_downloaded_when_its_language_is_asked_for(tmp_path: Path, remote: Path, run: Run) -> None:
    samples = soundfile.read(tmp_path / "a.wav", dtype="float32")[0]
    expected = [hugging_face_text(remote, samples, language) for language in (None, "kor", "deu")]
    run(GET)
    assert adapters_in_cache(tmp_path) == []
    assert run(PREDICT.format("batch_size=1"), PREDICT.format("language='kor'")) == expected[:2]
    assert adapters_in_cache(tmp_path) == ["adapter.kor.safetensors"]
    assert run(PREDICT.format("language_col='lang'")) == expected[2:]
    assert adapters_in_cache(tmp_path) == ["adapter.deu.safetensors", "adapter.kor.safetensors"]
    FakeHub.requested.clear()
    assert run(PREDICT.format("language='kor'"), HF_HUB_OFFLINE="1") == expected[1:2]
    assert FakeHub.requested == []


def test_a_language_that_cannot_be_downloaded_is_an_error(tmp_path: Path, remote: Path, run: Run) -> None:
    run(GET)
    predict = PREDICT.format("language='kor'")
    (offline,) = run(predict, HF_HUB_OFFLINE="1")
    assert "the language 'kor' of the model 'hf://f/mms' is not in the local cache" in offline
    assert "HF_HUB_OFFLINE is set. With a network, `hf download f/mms adapter.kor.safetensors` gets it" in offline
    started = time.monotonic()
    assert "Connection refused" in run(predict, HF_ENDPOINT="http://127.0.0.1:9")[0]
    assert time.monotonic() - started < 20  # the client by itself retries for longer
    (remote / "adapter.kor.safetensors").unlink()
    missing, unknown = run(predict, PREDICT.format("language='ko'"))
    assert "f/mms has no adapter.kor.safetensors, the weights of 'kor', on the hub" in missing
    assert "did you mean 'kor'?" in unknown


def test_build_downloads_the_adapter_of_its_language(tmp_path: Path, remote: Path, run: Run) -> None:
    build = (
        "BUILD MODEL mine USING 'hf://f/mms' OPTIONS (language='kor', epochs=1) AS "
        "SELECT 'a.wav' AS audio_path, '가나' AS text"
    )
    lines = run(build, "PREDICT USING mine AS SELECT 'a.wav' AS audio_path")
    assert "ThanoError" not in "".join(lines)
    assert adapters_in_cache(tmp_path) == ["adapter.kor.safetensors"]
