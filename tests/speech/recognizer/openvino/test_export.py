"""A network is written for OpenVINO once; where that is not possible, torch runs it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import filelock
import pytest

import thano_duckdb
from tests.mms import write_mms
from tests.speech.oracles import Clips
from thano_duckdb.errors import ModelError, OpenVinoError
from thano_duckdb.models.bundled import dataset_folder
from thano_duckdb.models.folder_cache import FolderCache
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech import processor
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.openvino import export, quantization, runtime
from thano_duckdb.speech.recognizer.openvino.model import OpenVinoModel


@pytest.fixture
def folder(random_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A checkpoint that was not written for OpenVINO yet."""
    return Path(shutil.copytree(random_model("wav2vec2-layer"), tmp_path / "model"))


def load(folder: Path, precision: str = "float32") -> OpenVinoModel:
    return OpenVinoModel.load(folder, choose_device("openvino", precision))


def runs(folder: Path, device: str, precision: str = "float32") -> type:
    recognizer = load_engine(folder, device, precision).recognizer
    assert isinstance(recognizer, CtcRecognizer)
    return type(recognizer.model)


asked_of_python = processor.has_openvino
"""Taken before the tests replace it."""


def no_conversion(*_: Any) -> None:
    raise AssertionError("converted once more")


def test_a_network_is_written_once_and_again_after_a_change(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder)
    monkeypatch.setattr(export, "_converted", no_conversion)
    load(folder)
    load(folder, "bfloat16")  # the same network
    (folder / "model.safetensors").touch()
    with pytest.raises(OpenVinoError, match="converted once more"):
        load(folder)


def test_auto_is_openvino_and_cpu_is_torch(folder: Path) -> None:
    assert runs(folder, "auto") is OpenVinoModel
    assert runs(folder, "openvino") is OpenVinoModel
    assert runs(folder, "cpu") is AcousticModel


def test_auto_falls_back_to_torch_and_remembers_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no such operation: aten::new")

    with monkeypatch.context() as patched:
        patched.setattr(export, "_converted", fails)
        assert runs(folder, "auto") is AcousticModel
    monkeypatch.setattr(export, "_converted", no_conversion)
    with pytest.raises(ModelError, match="OpenVINO cannot run it: no such operation: aten::new"):
        load_engine(folder, "openvino", "float32")


def test_the_user_is_told_which_models_torch_runs(
    con: thano_duckdb.Connection, random_model: Callable[[str], Path], tmp_path: Path
) -> None:
    sew = shutil.copytree(random_model("sew"), tmp_path / "sew")
    predict = (
        f"PREDICT USING '{sew}' OPTIONS (device='{{}}') AS FROM thano_audio('{dataset_folder('telephone_data')}/*.wav')"
    )
    limited = f"FROM ({predict}) LIMIT 2"
    with pytest.warns(thano_duckdb.ThanoWarning, match=r"The model .*sew is run by torch, not OpenVINO: OpenVINO"):
        assert len(con.execute(limited.format("auto")).fetchall()) == 2
    con.execute(limited.format("auto"))  # it is told once
    with pytest.raises(ModelError, match=r"OpenVINO .* write device='cpu', and torch runs it"):
        con.execute(limited.format("openvino"))
    clips = f"SELECT '{dataset_folder('telephone_data')}/000.wav' AS audio_path"
    con.execute(f"CREATE TABLE clips AS {clips}")
    plan = con.execute(f"SELECT text FROM thano_plan('{sew}', 'clips') WHERE item = 'device'").fetchall()
    assert plan[0][0].startswith("cpu")


def test_build_trains_with_torch_on_a_connection_with_openvino(an4_model: Path) -> None:
    with (
        thano_duckdb.connect(device="openvino") as con,
        pytest.raises(thano_duckdb.ThanoError, match=r"no row|empty|rows"),  # and nothing of the device
    ):
        con.execute(f"BUILD MODEL mine USING '{an4_model}' AS SELECT 'a.wav' AS audio_path, 'a' AS text WHERE false")


def test_other_scores_than_those_of_torch_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = export._of_torch
    monkeypatch.setattr(export, "_of_torch", lambda *args: exact(*args) * 1.01)
    with pytest.raises(OpenVinoError, match="other scores for it than torch"):
        load(folder)


def test_scores_that_8_bits_change_much_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_INT8_ERROR", 0.0)
    with pytest.raises(OpenVinoError, match=r"in 8-bit integers OpenVINO changes its scores by \d+%"):
        load(folder, "int8")


def test_a_cache_that_cannot_be_written_costs_only_speed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert runs(folder, "auto") is AcousticModel
    with pytest.raises(ModelError, match="XDG_CACHE_HOME"):
        load_engine(folder, "openvino", "float32")


def written() -> Path:
    return next(path.parent for path in FolderCache("openvino").folder.glob("*/network.xml"))


@pytest.mark.parametrize("name", ["network.bin", "network.xml"])
@pytest.mark.parametrize("harm", ["removed", "truncated", "changed"])
def test_a_damaged_network_is_written_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, harm: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load(folder)
    file = written() / name
    content = file.read_bytes()
    if harm == "removed":
        file.unlink()
    elif harm == "truncated":
        file.write_bytes(content[:-100])
    else:
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    load(folder)
    again = (written() / name).read_bytes()
    assert again[0] == content[0]


@pytest.mark.parametrize("name", ["files.json", "not_supported.txt"])
def test_a_damaged_text_counts_for_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load(folder)
    (written() / name).write_bytes(b"\xff\xfe")
    load(folder)
    assert sorted(path.name for path in written().iterdir()) == ["files.json", "network.bin", "network.xml"]


WAITS = """
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.recognizer.openvino.model import OpenVinoModel
ThreadPoolExecutor().submit(OpenVinoModel.load, Path('{model}'), choose_device('openvino', 'float32'))
time.sleep(3)
print('exits', flush=True)
"""


def test_a_process_that_waits_for_the_network_of_another_can_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    exports = FolderCache("openvino").folder
    exports.mkdir(parents=True)
    with filelock.FileLock(exports / f"{export._key(CtcCheckpoint.read(folder), int8=False)}.lock"):
        script = WAITS.format(model=folder)
        run = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert run.stdout == "exits\n"
    assert not list(exports.glob("*/"))  # it did wait


def test_a_network_outlives_its_files(
    folder: Path, noises: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = load(folder)
    shutil.rmtree(tmp_path / "cache")
    assert model.forward([model.features(noises[1])], SilentMonitor())


def test_an_installation_that_is_broken_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ImportError("libopenvino.so: cannot open shared object file")

    with monkeypatch.context() as patched:
        patched.setattr(export, "openvino", fails)
        assert runs(folder, "auto") is AcousticModel
        with pytest.raises(ModelError, match="OpenVINO cannot be imported: libopenvino"):
            load(folder)
    assert load(folder)


def test_a_lack_of_space_is_not_remembered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    with monkeypatch.context() as patched:
        patched.setattr(runtime.openvino(), "save_model", fails)
        with pytest.raises(OpenVinoError, match="no space"):
            load(folder)
    assert load(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_a_lack_of_space_for_the_first_layer_is_not_remembered(
    random_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = random_model("wav2vec2-group")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        with pytest.raises(OpenVinoError, match="no space"):
            load(model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load(model)


def test_without_nncf_8_bits_are_left_to_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "has_nncf", lambda: False)
    assert runs(folder, "auto", "int8") is AcousticModel
    with pytest.raises(ModelError, match="needs NNCF"):
        load_engine(folder, "openvino", "int8")


def test_a_folder_named_openvino_is_not_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openvino").mkdir()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: PathFinder.find_spec(name, [str(tmp_path)]))
    assert not asked_of_python()


def test_a_failure_of_the_quantisation_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "FLOATING", "[")
    monkeypatch.setattr(quantization, "_PROGRAM", "raise SystemExit('it broke')")
    with pytest.raises(OpenVinoError, match="NNCF fails: it broke"):
        load(folder, "int8")


def test_a_checkpoint_of_several_languages_is_left_to_torch(tmp_path: Path) -> None:
    write_mms(tmp_path)
    assert runs(tmp_path, "auto") is AcousticModel
    with pytest.raises(ModelError, match="adapters for its languages"):
        load_engine(tmp_path, "openvino", "float32")


def test_without_openvino_the_device_says_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_openvino", lambda: False)
    assert runs(folder, "auto") is AcousticModel
    with pytest.raises(ModelError, match=r"pip install 'thano_duckdb\[openvino\]'"):
        load_engine(folder, "openvino")


def test_nothing_is_imported_that_reports_to_others_or_changes_torch(folder: Path) -> None:
    script = (
        "import sys, thano_duckdb; "
        f"con = thano_duckdb.connect(device='openvino', precision='int8'); "
        f"con.execute(\"PREDICT USING '{folder}' AS SELECT audio_path FROM thano_audio('{{}}')\"); "
        "print([name for name in ('openvino', 'openvino_telemetry', 'nncf') if sys.modules.get(name)])"
    ).format(dataset_folder("telephone_data"))
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("['openvino']\n", "")


def test_workers_run_openvino_too(an4_con: thano_duckdb.Connection, an4_model: Path, noises: Clips) -> None:
    predict = f"PREDICT USING '{an4_model}' OPTIONS (device='openvino', workers={{}}) AS FROM an4"
    one, two = (sorted(an4_con.execute(predict.format(n)).fetchall()) for n in (1, 2))
    assert one == two
    assert {row[0] for row in an4_con.execute("SELECT device FROM thano_workers()").fetchall()} == {"openvino"}


FORKED = """
import os, sys, thano_duckdb
def rows(device, limit):
    with thano_duckdb.connect(device=device, precision='float32') as con:
        query = "PREDICT USING '{model}' AS FROM thano_audio('{clips}') ORDER BY audio_path LIMIT "
        return con.execute(query + limit).fetchall()
rows('openvino', '2')
if os.fork() == 0:
    print(len(rows('auto', '4')), flush=True)
    try:
        rows('openvino', '6')
    except thano_duckdb.ModelError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_goes_on_with_torch(folder: Path) -> None:
    script = FORKED.format(model=folder, clips=dataset_folder("telephone_data"))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    n_rows, error = run.stdout.splitlines()
    assert n_rows == "4"
    assert "forked" in error
    assert "spawn" in error
