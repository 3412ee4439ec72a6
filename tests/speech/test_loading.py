"""Each model is loaded once, and incompatible libraries are reported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from thano_duckdb.errors import ModelError
from thano_duckdb.speech import loading, processor
from thano_duckdb.speech.loading import MAX_MODELS, load_engine, loaded_engine


@pytest.fixture
def folders(random_model: Callable[[str], Path], tmp_path: Path) -> list[Path]:
    source = random_model("wav2vec2-layer")
    return [Path(shutil.copytree(source, tmp_path / f"model{number}")) for number in range(MAX_MODELS + 1)]


def test_a_model_is_loaded_once_and_again_when_it_changes(folders: list[Path], n_loads: list[Path]) -> None:
    assert loaded_engine(folders[0], "cpu") is None
    first = load_engine(folders[0], "cpu")
    assert load_engine(folders[0], "cpu") is first
    assert loaded_engine(folders[0], "cpu") is first
    assert load_engine(folders[0], "auto", "float32") is first or len(n_loads) == 2  # a GPU is another device
    n_before = len(n_loads)
    os.utime(folders[0] / "model.safetensors", ns=(1, 1))
    assert loaded_engine(folders[0], "cpu") is None
    assert load_engine(folders[0], "cpu") is not first
    assert len(n_loads) == n_before + 1


def test_only_the_latest_models_are_kept(folders: list[Path], n_loads: list[Path]) -> None:
    for folder in [*folders, folders[-1], folders[0]]:
        load_engine(folder, "cpu")
    assert n_loads == [*folders, folders[0]]


def test_threads_that_need_the_same_model_load_it_once(folders: list[Path], n_loads: list[Path]) -> None:
    together = threading.Barrier(4)

    def load() -> object:
        together.wait()
        return load_engine(folders[0], "cpu")

    with ThreadPoolExecutor(4) as threads:
        engines = {future.result() for future in [threads.submit(load) for _ in range(4)]}
    assert len(engines) == 1
    assert n_loads == [folders[0]]


@pytest.mark.parametrize(
    ("precision", "lacks", "is_told"), [("int8", True, True), ("int8", False, False), ("float32", True, False)]
)
def test_the_user_is_told_where_8_bits_take_longer(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, precision: str, lacks: bool, is_told: bool
) -> None:
    monkeypatch.setattr(processor, "lacks_int8_products", lambda: lacks)
    notice = load_engine(folders[0], "cpu", precision).recognizer.notice
    assert ("takes longer in int8" in (notice or "")) is is_told


def test_a_missing_model_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model folder .*nowhere"):
        load_engine(tmp_path / "nowhere")


def test_incompatible_libraries_are_reported_with_compatible_versions(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if its import failed
    with pytest.raises(
        ModelError, match=r"importing transformers fails with .*These versions work together: .*torch>=2\.11"
    ):
        load_engine(folders[0])


def test_a_torchaudio_for_another_torch_is_reported_as_needless(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "torchaudio"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise OSError('libc10_cuda.so: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with pytest.raises(ModelError, match=r"importing torchaudio fails with .*libc10_cuda.*pip uninstall torchaudio"):
        load_engine(folders[0])


def test_torchaudio_is_not_needed(folders: list[Path]) -> None:
    hide = (
        "import importlib.machinery as m, sys\n"
        "find = m.PathFinder.find_spec\n"
        "m.PathFinder.find_spec = lambda name, *more: None if name == 'torchaudio' else find(name, *more)\n"
        "import pathlib\n"
        "from thano_duckdb.speech.loading import load_engine\n"
        "load_engine(pathlib.Path(sys.argv[1]))\n"
        "import thano_duckdb.training.trainer\n"
        "print('torch' in sys.modules, 'torchaudio' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", hide, str(folders[0])], capture_output=True, text=True, check=True)
    assert run.stdout == "True False\n"


SPINS = re.compile(r"GOMP_SPINCOUNT = '(\d+)'")


@pytest.mark.parametrize(("set_by_user", "spins"), [({}, 0), ({"GOMP_SPINCOUNT": "123"}, 123)])
def test_threads_that_wait_for_each_other_sleep_unless_the_user_has_set_otherwise(
    set_by_user: dict[str, str], spins: int
) -> None:
    code = (
        "import os; from thano_duckdb.speech.libraries import require_libraries; before = dict(os.environ); "
        "require_libraries(); assert dict(os.environ) == before, 'not for the processes that this one starts'"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE"} | set_by_user
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    found = SPINS.findall(run.stderr)
    if not found:
        pytest.skip("torch does not use GNU's OpenMP here")
    assert int(found[0]) == spins


@pytest.mark.parametrize(
    "module",
    [
        "batching",
        "windows",
        "recognizer.features",
        "recognizer.ctc_checkpoint",
        "decoding.greedy",
        "cache",
        "readahead",
        "transcript",
        "loading",
    ],
)
def test_pure_modules_do_not_import_torch(module: str) -> None:
    code = (
        f"import sys, thano_duckdb.speech.{module}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("step", ["check_checkpoint", "_keys", "_load"])
def test_a_model_that_is_deleted_while_it_is_loaded(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = getattr(loading, step)

    def delete_first(*arguments: object) -> object:
        shutil.rmtree(folders[0])
        return before(*arguments)

    monkeypatch.setattr(loading, step, delete_first)
    with pytest.raises(ModelError, match=f"^the model in {folders[0]} was deleted while it was being loaded$"):
        load_engine(folders[0], "cpu")
