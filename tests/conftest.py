"""Fixtures for all tests: the shared speech, the small model, connections."""

from __future__ import annotations

import atexit
import csv
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import platformdirs
import pytest

import thano_duckdb
from thano_duckdb.models import bundled, resolve
from thano_duckdb.speech import processor

# Set before torch is first imported: the suite runs beside others on small machines.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

USERS_DATA = platformdirs.user_data_path("thano_duckdb", appauthor=False)
"""Where whoever runs the tests has models of their own."""
_data_home = tempfile.mkdtemp(prefix="thano_duckdb_tests_")
atexit.register(shutil.rmtree, _data_home, ignore_errors=True)
# For fixtures of modules and sessions, and for processes that they start; each test has its own, see `data_home`.
os.environ["XDG_DATA_HOME"] = _data_home
os.environ.pop("THANO_HOME", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what it runs in the background so
    signal.signal(signal.SIGINT, signal.default_int_handler)

EXIT_S = 120
"""How long Python may take to end after the last test."""

_FILE_EVENTS = frozenset({"open", "os.listdir", "os.mkdir", "os.rename", "os.scandir"})


def _keep_out_of_users_data(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _FILE_EVENTS:
        return
    for path in arguments:
        if isinstance(path, str | os.PathLike) and str(path).startswith(str(USERS_DATA)):
            raise AssertionError(f"a test would use {path}, which belongs to whoever runs the tests")


sys.addaudithook(_keep_out_of_users_data)

# A machine under load must not make a property-based test fail.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """A process that does not end is a fault: it fails the run, and shows what each thread does."""
    faulthandler.dump_traceback_later(EXIT_S, exit=True, file=2)


REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@dataclass(frozen=True)
class Utterance:
    """A row of a manifest, with an absolute path."""

    audio_path: str
    text: str
    speaker: str
    split: str
    duration_s: float


def utterances(corpus: Path, split: str) -> list[Utterance]:
    """The rows of one split of a corpus folder, in the order of its manifest."""
    with (corpus / "manifest.csv").open(encoding="utf-8", newline="") as manifest:
        return [
            Utterance(
                str(corpus / row["audio_path"]), row["text"], row["speaker"], row["split"], float(row["duration"])
            )
            for row in csv.DictReader(manifest)
            if row["split"] == split
        ]


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.exists():
        pytest.skip(f"the shared folder ../shared/{name} is not on this machine")
    return folder


@pytest.fixture(scope="session")
def an4() -> Path:
    """The folder of the an4 corpus (84 speakers; 948 train and 130 test clips)."""
    return _shared("data/an4")


@pytest.fixture(scope="session")
def an4_test(an4: Path) -> list[Utterance]:
    """The 130 test utterances of an4."""
    return utterances(an4, "test")


@pytest.fixture(scope="session")
def an4_clip(an4_test: list[Utterance]) -> str:
    """The path of one utterance."""
    return an4_test[0].audio_path


@pytest.fixture(scope="session")
def an4_model() -> Path:
    """The folder of a small Wav2Vec2 CTC checkpoint trained on an4."""
    return _shared("models/an4-small")


@pytest.fixture
def bundled_model() -> Path:
    """The folder of the small model that ships with the package."""
    if not bundled.has_model():
        pytest.skip(f"the weights of {bundled.MODEL} are not in this checkout")
    return bundled.MODEL_FOLDER


@pytest.fixture
def any_small_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model that ships with the package; where its weights are missing, a random one: texts do not matter."""
    if not bundled.has_model():
        from tests.training.kit import write_model

        monkeypatch.setattr(bundled, "MODEL_FOLDER", write_model(tmp_path / "random_weights"))
    return bundled.MODEL_FOLDER


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the hub unreachable and its local cache empty; gives the folder of that cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    resolve.forget_outages()
    return tmp_path / "hub"


@pytest.fixture(scope="session", autouse=True)
def the_same_defaults_on_every_machine() -> Iterator[None]:
    """On a CPU `auto` is torch in float32 in tests, which compare texts with those of other programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "has_bfloat16", lambda: False)
        patch.setattr(processor, "has_openvino", lambda: False)
        patch.setattr(processor, "lacks_int8_products", lambda: False)  # it is warned of
        yield


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds the models of databases in memory, of this test alone."""
    folder = tmp_path_factory.mktemp("data_home")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.Path(path)


@pytest.fixture(scope="session")
def unpacked(wheel: zipfile.Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("unpacked")
    wheel.root.extractall(folder)
    return folder


@pytest.fixture
def con() -> Iterator[thano_duckdb.Connection]:
    """An in-memory connection, closed afterwards."""
    with thano_duckdb.connect() as connection:
        yield connection


@pytest.fixture
def an4_con(con: thano_duckdb.Connection, an4_test: list[Utterance]) -> thano_duckdb.Connection:
    """A connection with a table `an4` of the test utterances: id, audio_path, text, speaker."""
    con.execute("CREATE TABLE an4 (id INTEGER, audio_path VARCHAR, text VARCHAR, speaker VARCHAR)")
    con.executemany(
        "INSERT INTO an4 VALUES (?, ?, ?, ?)",
        [[row, clip.audio_path, clip.text, clip.speaker] for row, clip in enumerate(an4_test)],
    )
    return con
