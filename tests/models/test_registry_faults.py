"""Changes of the models on disk are complete or absent, whatever happens: full disks, kills, concurrent processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.checkpoints import build, leftovers, make_checkpoint, marker_of, names
from thano_duckdb.errors import ModelError, RegistryError
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.staging import sync_tree

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint", 7)


# Errors


def test_a_block_that_fails_leaves_nothing(registry: Registry) -> None:
    def fail() -> None:
        with registry.stage() as staging:
            make_checkpoint(staging)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(registry) == leftovers(registry) == []


@pytest.mark.parametrize("step", ["shutil.copyfile", "os.fsync", "os.rename"])
def test_a_full_disk_leaves_the_old_model_and_nothing_else(
    registry: Registry, checkpoint: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(registry, "m", 1)
    calls = []

    def full(*arguments: Any, **_: Any) -> None:
        calls.append(arguments)
        if step == "shutil.copyfile" and len(calls) == 1:
            Path(arguments[1]).write_bytes(b"half")
        if step == "os.rename" or len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(step, full)
        with pytest.raises(RegistryError, match="no space left for a model"):
            registry.upload("m", checkpoint, overwrite=True)
    assert calls
    assert names(registry) == ["m@1"]
    assert leftovers(registry) == []
    assert registry.upload("m", checkpoint, overwrite=True).version == 2


def test_no_locks_are_left(registry: Registry, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = registry.home / ".staging"
    registry.upload("m", checkpoint)
    assert list(staging.iterdir()) == []
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", mock.Mock(side_effect=OSError(errno.ENOSPC, "full")))
        with pytest.raises(RegistryError):
            registry.upload("m", checkpoint, overwrite=True)
    assert list(staging.iterdir()) == []
    with registry.stage("abc") as folder:
        make_checkpoint(folder)
        assert sorted(path.name for path in staging.iterdir()) == ["build-abc", "build-abc.lock"]
        registry.publish(folder, "m", kind="built", overwrite=True)
    assert list(staging.iterdir()) == []
    with registry.stage("abc") as folder:
        make_checkpoint(folder)
    assert sorted(path.name for path in staging.iterdir()) == ["build-abc", "build-abc.lock"]  # it can be resumed


def test_a_home_that_cannot_be_written_is_an_error(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "home", Path("/proc/no_home")):
        with pytest.raises(RegistryError, match=r"cannot be written \([^\[]*\); set THANO_HOME \(or model_home=\)"):
            Registry(home).upload("m", checkpoint)


def test_the_home_of_another_user_can_be_read(registry: Registry, tmp_path: Path, checkpoint: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    registry.upload("m", checkpoint)
    secret = make_checkpoint(tmp_path / "secret") / "model.safetensors"
    secret.chmod(0o600)
    (checkpoint / "model.safetensors").chmod(0o644)
    temporary = Path(tempfile.gettempdir())
    parents = [folder for folder in tmp_path.parents if temporary in folder.parents]
    modes = [(folder, folder.stat().st_mode) for folder in (*parents, tmp_path)]
    for folder, _ in modes:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        entry = registry.find("m")
        assert entry is not None
        assert marker_of(entry.path) == 7
        assert entry.lineage == {}  # it is private
        assert names(registry) == ["m@1"]
        for change in (lambda: registry.upload("n", checkpoint), lambda: registry.delete("m")):
            with pytest.raises(RegistryError, match="cannot be written"):
                change()
        with pytest.raises(ModelError, match=r"no permission to read model\.safetensors"):
            registry.upload("n", secret.parent)
    finally:
        os.seteuid(0)
        for folder, mode in modes:
            folder.chmod(mode)
    assert names(registry) == ["m@1"]


# Builds that are resumed


def test_a_stage_with_a_key_keeps_its_content(registry: Registry) -> None:
    def stop() -> None:
        with registry.stage("abc") as staging:
            (staging / "checkpoint-1").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    build(registry, "other", 1)  # removes abandoned folders, but not this one
    with registry.stage("abc") as staging:
        assert (staging / "checkpoint-1").read_text() == "half"
        with pytest.raises(RegistryError, match="being built by another process"), registry.stage("abc"):
            pass
        make_checkpoint(staging / "model", 3)
        registry.publish(staging / "model", "m", kind="built")
        shutil.rmtree(staging)
    assert names(registry) == ["m@1", "other@1"]
    with registry.stage("abc") as staging:
        assert list(staging.iterdir()) == []


def test_a_stopped_build_is_removed_after_two_weeks(registry: Registry) -> None:
    with registry.stage("abc") as staging:
        pass
    os.utime(staging, (time.time() - 15 * 24 * 3600,) * 2)
    build(registry, "m", 1)
    assert not staging.exists()


# Processes


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process with the registry of `home`; `wait()` in its script waits for a line of input."""
    head = """
        import os, signal, sys, shutil
        from pathlib import Path
        from thano_duckdb.models.registry import Registry
        from thano_duckdb.errors import RegistryError
        from tests.checkpoints import make_checkpoint
        registry = Registry(Path(sys.argv[1]))
        def wait(): print("ready", flush=True); sys.stdin.readline()
    """
    program = textwrap.dedent(head) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


KILLED = """
    count = 0
    def deadly(function):
        def call(*arguments, **options):
            global count
            count += 1
            if count == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)
        return call
    os.fsync, os.rename = deadly(os.fsync), deadly(os.rename)
    os.replace, shutil.copyfile = deadly(os.replace), deadly(shutil.copyfile)
    registry.upload("m", Path(sys.argv[2]), overwrite=True)
    print("survived", count)
"""


def test_an_upload_killed_at_any_step_is_complete_or_absent(registry: Registry, checkpoint: Path) -> None:
    build(registry, "m", 1)
    step, survived = 0, False
    while not survived:
        step += 1
        process = start(KILLED, registry.home, checkpoint, step)
        output, errors = process.communicate(timeout=60)
        survived = output.startswith("survived")
        assert survived or process.returncode == -signal.SIGKILL, errors
        found = names(registry)
        assert found in (["m@1"], ["m@1", "m@2"])
        assert [marker_of(entry.path) for entry in registry.entries(report_damaged=pytest.fail)] == [1, 7][: len(found)]
        if len(found) == 2:
            registry.delete("m@2")
    assert step > 10  # copies, syncs, and the rename
    build(registry, "other", 1)
    assert leftovers(registry) == []


def test_a_delete_that_was_killed_is_completed_later(registry: Registry) -> None:
    build(registry, "m", 1)
    build(registry, "m", 2, overwrite=True)
    script = """
        shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        registry.delete("m")
    """
    process = start(script, registry.home)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert names(registry) == []
    assert leftovers(registry) != []
    build(registry, "other", 1)
    assert leftovers(registry) == []


def test_the_staging_folder_of_a_running_process_is_left_alone(registry: Registry) -> None:
    script = """
        with registry.stage() as staging:
            make_checkpoint(staging, 4)
            wait()
            registry.publish(staging, "m", kind="built")
    """
    process = start(script, registry.home)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    build(registry, "other", 1)  # removes abandoned folders
    _, errors = process.communicate("go\n", timeout=60)
    assert (process.returncode, errors) == (0, "")
    entry = registry.find("m")
    assert entry is not None
    assert marker_of(entry.path) == 4


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_published_a_moment_earlier_by_another_process(
    registry: Registry, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(folder: Path) -> None:
        monkeypatch.undo()
        build(registry, "M", 1)
        sync_tree(folder)

    monkeypatch.setattr("thano_duckdb.models.registry.sync_tree", overtaken)
    if overwrite:
        assert build(registry, "m", 2, overwrite=True).version == 2
    else:
        with pytest.raises(RegistryError, match="'M' exists already"):
            build(registry, "m", 2)
    assert [marker_of(entry.path) for entry in registry.entries(report_damaged=pytest.fail)] == [1, 2][: 1 + overwrite]
    assert leftovers(registry) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_processes_that_publish_one_name_at_once(registry: Registry, overwrite: bool) -> None:
    script = """
        wait()
        try:
            with registry.stage() as staging:
                make_checkpoint(staging, int(sys.argv[2]))
                entry = registry.publish(staging, sys.argv[4], kind="built", overwrite=sys.argv[3] == "True")
                print("published", entry.version)
        except RegistryError as error:
            print("refused", error)
    """
    spelled = ["racer", "Racer", "RACER", "raceR"]  # one name
    racers = [start(script, registry.home, marker, overwrite, spelled[marker]) for marker in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    outputs = [racer.communicate(timeout=60) for racer in racers]
    assert [errors for _, errors in outputs] == [""] * 4
    reported = [output.strip() for output, _ in outputs]
    entries = registry.entries(report_damaged=pytest.fail)
    if overwrite:
        assert sorted(reported) == [f"published {version}" for version in (1, 2, 3, 4)]
    else:
        assert sum(each == "published 1" for each in reported) == 1
        assert sum("exists already" in each for each in reported) == 3
    by_version = {entry.version: marker_of(entry.path) for entry in entries}
    assert by_version == {int(each.split()[1]): n for n, each in enumerate(reported) if each.startswith("published")}
    assert len({entry.name for entry in entries}) == 1
    assert leftovers(registry) == []
