"""The models on disk: names, versions, and changes that are whole or not there, whatever happens."""

from __future__ import annotations

import datetime
import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

import thano_duckdb.registry
from tests.checkpoints import make_checkpoint, marker_of
from thano_duckdb.errors import ModelError, RegistryError, ThanoWarning
from thano_duckdb.registry import ModelEntry, Registry, model_home

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint", 7)


def names(registry: Registry) -> list[str]:
    return [f"{entry.name}@{entry.version}" for entry in registry.entries()]


def build(registry: Registry, name: str, marker: int, *, overwrite: bool = False, **about: Any) -> ModelEntry:
    with registry.stage() as staging:
        make_checkpoint(staging, marker)
        return registry.publish(staging, name, kind="built", base="Wav2Vec2En", overwrite=overwrite, **about)


def leftovers(registry: Registry) -> list[str]:
    return [path.name for path in (registry.home / ".staging").iterdir() if path.is_dir()]


# Where


def test_the_home_is_what_the_user_asks_for_else_beside_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THANO_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert model_home(None, "my.duckdb") == tmp_path / "my.duckdb.models"
    assert model_home(None, "~/my.db") == tmp_path / "me" / "my.db.models"
    assert model_home(Path("here"), "my.duckdb") == tmp_path / "here"
    for no_file in ("", ":memory:", ":memory:x", "s3://bucket/my.duckdb", "https://host/my.duckdb", "md:my"):
        home = model_home(None, no_file)
        assert home.parts[-2:] == ("thano_duckdb", "models")
        assert home.is_relative_to(tmp_path)
    monkeypatch.setenv("THANO_HOME", "~/models")
    assert model_home(None, "my.duckdb") == model_home(None, "") == tmp_path / "me" / "models"
    assert model_home(Path("here"), "my.duckdb") == tmp_path / "here"


def test_looking_writes_nothing(registry: Registry) -> None:
    assert registry.entries() == []
    assert registry.find("any") is None
    assert registry.versions("any") == []
    with pytest.raises(RegistryError, match="no model 'any'"):
        registry.delete("any")
    assert not registry.home.exists()


# Publish


def test_what_is_published_is_found_with_its_lineage(registry: Registry) -> None:
    lineage = {"sql": "BUILD MODEL é", "metrics": [{"epoch": 1, "wer": 0.5}]}
    before = datetime.datetime.now(datetime.UTC)
    entry = build(registry, "my_model", 1, lineage=lineage, description="an4")
    assert entry == registry.find("my_model") == Registry(registry.home).find("MY_MODEL@1")
    assert (entry.name, entry.version, entry.kind, entry.base) == ("my_model", 1, "built", "Wav2Vec2En")
    assert (entry.description, entry.lineage) == ("an4", lineage)
    assert before <= entry.created <= datetime.datetime.now(datetime.UTC)
    assert entry.path == registry.home / "my_model" / "1"
    assert marker_of(entry.path) == 1
    assert leftovers(registry) == []


def test_overwrite_makes_a_new_version_and_keeps_the_old(registry: Registry) -> None:
    build(registry, "My_Model", 1)
    with pytest.raises(RegistryError, match=r"'My_Model' exists already; add OPTIONS \(overwrite=True\)"):
        build(registry, "my_model", 2)
    second = build(registry, "MY_MODEL", 2, overwrite=True)
    build(registry, "other", 3, overwrite=True)
    assert (second.name, second.version) == ("My_Model", 2)
    assert names(registry) == ["My_Model@1", "My_Model@2", "other@1"]
    assert [marker_of(entry.path) for entry in registry.entries()] == [1, 2, 3]
    assert registry.find("my_model") == registry.find("my_MODEL@2") == second
    assert registry.find("my_model@3") is None
    assert registry.versions("my_model") == [1, 2]


def test_versions_are_numbers_not_texts(registry: Registry) -> None:
    for marker in range(1, 12):
        build(registry, "m", marker, overwrite=True)
    assert registry.find("m@10") != registry.find("m") == registry.find("m@11")


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "a b", "a@1", "a\\b", "x" * 101, "a\n", "a\0", "é!"])
def test_what_is_not_a_name(registry: Registry, checkpoint: Path, name: str) -> None:
    with pytest.raises(RegistryError, match="is not a name for a model"):
        registry.upload(name, checkpoint)
    assert registry.find(name) is None
    assert not registry.home.exists()


@pytest.mark.parametrize("name", ["a", "_x", "Größe-2.1", "음성_모델", "1", "e\u0301t\u00e9"])
def test_what_is_a_name(registry: Registry, checkpoint: Path, name: str) -> None:
    entry = registry.upload(name, checkpoint)
    assert registry.find(name.upper()) == entry


def test_a_folder_that_is_not_ours_is_not_listed(registry: Registry) -> None:
    build(registry, "m", 1)
    (registry.home / "m" / "notes").mkdir()
    (registry.home / "empty").mkdir()
    (registry.home / ".git" / "1").mkdir(parents=True)
    (registry.home / "file").write_text("x")
    assert names(registry) == ["m@1"]


def test_a_damaged_version_is_told_and_does_not_hide_the_others(registry: Registry) -> None:
    build(registry, "m", 1)
    damaged = build(registry, "m", 2, overwrite=True)
    (damaged.path / "thano.json").write_text("{")
    with pytest.warns(ThanoWarning, match="'m@2' is damaged"):
        assert names(registry) == ["m@1"]
    with pytest.raises(ModelError, match=r"'m@2' is damaged.*thano\.json"):
        registry.find("m")
    assert [entry.version for entry in registry.delete("m@2")] == [2]
    assert names(registry) == ["m@1"]


# Upload


def test_upload_copies_what_is_needed(registry: Registry, checkpoint: Path) -> None:
    for extra in ("pytorch_model.bin", "optimizer.pt", "training_args.bin", "README.md", "LICENSE", "vocab.txt"):
        (checkpoint / extra).write_text("x")
    (checkpoint / "runs").mkdir()
    (checkpoint / "runs" / "config.json").write_text("{}")
    (checkpoint / "linked.json").symlink_to(checkpoint / "config.json")
    entry = registry.upload("m", checkpoint, base="hf://a/b")
    assert sorted(path.name for path in entry.path.iterdir()) == [
        *("LICENSE", "README.md", "config.json", "linked.json", "model.safetensors", "preprocessor_config.json"),
        *("thano.json", "vocab.json", "vocab.txt"),
    ]
    assert not (entry.path / "linked.json").is_symlink()
    assert (entry.kind, entry.base) == ("uploaded", "hf://a/b")
    assert entry.lineage == {"uploaded_from": str(checkpoint)}
    shutil.rmtree(checkpoint)
    assert marker_of(entry.path) == 7


def test_a_published_model_can_be_uploaded_under_another_name(registry: Registry) -> None:
    original = build(registry, "m", 5)
    copy = registry.upload("n", original.path)
    assert (copy.name, copy.kind, marker_of(copy.path)) == ("n", "uploaded", 5)


def _break(checkpoint: Path, how: str) -> None:
    if how == "pickle":
        (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    elif how == "shard":
        (checkpoint / "model.safetensors.index.json").write_text('{"weight_map": {"weight": "model-2.safetensors"}}')
    elif how == "cut":
        content = (checkpoint / "model.safetensors").read_bytes()
        (checkpoint / "model.safetensors").write_bytes(content[:-100])
    elif how == "config":
        (checkpoint / "config.json").write_text("{")
    elif how == "list":
        (checkpoint / "config.json").write_text("[]")
    elif how == "all":
        shutil.rmtree(checkpoint)
    else:
        (checkpoint / how).unlink()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("pickle", r"only as a pickle \(pytorch_model.bin\), which is never loaded"),
        ("model.safetensors", "holds no weights"),
        ("shard", "lacks a part of its weights: model-2.safetensors"),
        ("cut", "damaged or was cut short"),
        ("config.json", "has no config.json"),
        ("config", "cannot be read as JSON"),
        ("list", "holds no JSON object"),
        ("vocab.json", "has no vocabulary"),
        ("all", "does not exist"),
    ],
)
def test_upload_refuses_what_is_not_a_usable_checkpoint(
    registry: Registry, checkpoint: Path, how: str, words: str
) -> None:
    _break(checkpoint, how)
    with pytest.raises(ModelError, match=words):
        registry.upload("m", checkpoint)
    assert not registry.home.exists()


# Delete


def test_delete_a_version_or_all(registry: Registry) -> None:
    for marker in (1, 2, 3):
        build(registry, "Model", marker, overwrite=True)
    build(registry, "other", 9)
    assert [entry.version for entry in registry.delete("model@2")] == [2]
    assert names(registry) == ["Model@1", "Model@3", "other@1"]
    for unknown, words in (("model@2", "has no version 2; it has 1, 3"), ("modle", "Did you mean 'Model'?")):
        with pytest.raises(RegistryError) as refused:
            registry.delete(unknown)
        assert words in str(refused.value)
    assert [(entry.name, entry.version) for entry in registry.delete("MODEL")] == [("Model", 1), ("Model", 3)]
    assert names(registry) == ["other@1"]
    assert registry.delete("other@1")[0].name == "other"
    assert sorted(path.name for path in registry.home.iterdir()) == [".lock", ".staging"]
    assert leftovers(registry) == []
    assert build(registry, "Model", 4).version == 1


# What goes wrong


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


def test_a_home_that_cannot_be_written(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(RegistryError, match="cannot be written"):
            Registry(home).upload("m", checkpoint)


def test_a_home_of_somebody_else_can_be_read(registry: Registry, tmp_path: Path, checkpoint: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    registry.upload("m", checkpoint)
    secret = make_checkpoint(tmp_path / "secret") / "model.safetensors"
    secret.chmod(0o600)
    (checkpoint / "model.safetensors").chmod(0o644)
    parents = [folder for folder in tmp_path.parents if folder.owner() == "root" and "pytest" in folder.name]
    modes = [(folder, folder.stat().st_mode) for folder in (*parents, tmp_path)]
    for folder, _ in modes:
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        entry = registry.find("m")
        assert entry is not None
        assert marker_of(entry.path) == 7
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


# Builds that go on


def test_a_keyed_stage_is_found_again(registry: Registry) -> None:
    def stop() -> None:
        with registry.stage("abc") as staging:
            (staging / "checkpoint-1").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    build(registry, "other", 1)  # cleans up, but not this
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
    """A Python process that knows the registry of `home` and waits for its input to be closed or a line."""
    head = """
        import os, signal, sys, shutil
        from pathlib import Path
        from thano_duckdb.registry import Registry
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


def test_killed_at_any_step_of_an_upload(registry: Registry, checkpoint: Path) -> None:
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
        assert [marker_of(entry.path) for entry in registry.entries()] == [1, 7][: len(found)]
        if len(found) == 2:
            registry.delete("m@2")
    assert step > 10  # copies, syncs and the rename
    build(registry, "other", 1)
    assert leftovers(registry) == []


def test_killed_in_a_delete(registry: Registry) -> None:
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


def test_staging_of_a_living_process_is_left_alone(registry: Registry) -> None:
    script = """
        with registry.stage() as staging:
            make_checkpoint(staging, 4)
            wait()
            registry.publish(staging, "m", kind="built")
    """
    process = start(script, registry.home)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    build(registry, "other", 1)  # cleans up
    _, errors = process.communicate("go\n", timeout=60)
    assert (process.returncode, errors) == (0, "")
    entry = registry.find("m")
    assert entry is not None
    assert marker_of(entry.path) == 4


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_is_faster_by_a_moment(registry: Registry, overwrite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(folder: Path) -> None:
        monkeypatch.undo()
        build(registry, "M", 1)
        sync_tree(folder)

    sync_tree = thano_duckdb.registry.sync_tree
    monkeypatch.setattr(thano_duckdb.registry, "sync_tree", overtaken)
    if overwrite:
        assert build(registry, "m", 2, overwrite=True).version == 2
    else:
        with pytest.raises(RegistryError, match="'M' exists already"):
            build(registry, "m", 2)
    assert [marker_of(entry.path) for entry in registry.entries()] == [1, 2][: 1 + overwrite]
    assert leftovers(registry) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_processes_publishing_one_name_at_once(registry: Registry, overwrite: bool) -> None:
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
    told = [output.strip() for output, _ in outputs]
    entries = registry.entries()
    if overwrite:
        assert sorted(told) == [f"published {version}" for version in (1, 2, 3, 4)]
    else:
        assert sum(each == "published 1" for each in told) == 1
        assert sum("exists already" in each for each in told) == 3
    by_version = {entry.version: marker_of(entry.path) for entry in entries}
    assert by_version == {int(each.split()[1]): n for n, each in enumerate(told) if each.startswith("published")}
    assert len({entry.name for entry in entries}) == 1
    assert leftovers(registry) == []
