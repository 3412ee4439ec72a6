"""The models on disk: names, versions, lineage; publish, upload, delete."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.checkpoints import build, leftovers, make_checkpoint, marker_of, names
from thano_duckdb.errors import ModelError, RegistryError
from thano_duckdb.models.lineage import About, read_about
from thano_duckdb.models.registry import Registry, model_home


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path / "checkpoint", 7)


# The home


def test_the_home_is_the_requested_folder_or_next_to_the_database(
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


def test_reading_writes_nothing(registry: Registry) -> None:
    assert registry.entries(report_damaged=pytest.fail) == []
    assert registry.find("any") is None
    assert registry.versions("any") == []
    with pytest.raises(RegistryError, match="no model 'any'"):
        registry.delete("any")
    assert not registry.home.exists()


# Publish


def test_a_published_model_is_found_with_its_lineage(registry: Registry) -> None:
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
    assert [marker_of(entry.path) for entry in registry.entries(report_damaged=pytest.fail)] == [1, 2, 3]
    assert registry.find("my_model") == registry.find("my_MODEL@2") == second
    assert registry.find("my_model@3") is None
    assert registry.versions("my_model") == [1, 2]


def test_versions_are_ordered_as_numbers(registry: Registry) -> None:
    for marker in range(1, 12):
        build(registry, "m", marker, overwrite=True)
    assert registry.find("m@10") != registry.find("m") == registry.find("m@11")


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "a b", "a@1", "a\\b", "x" * 101, "a\n", "a\0", "é!"])
def test_invalid_names_are_refused(registry: Registry, checkpoint: Path, name: str) -> None:
    with pytest.raises(RegistryError, match="is not a name for a model"):
        registry.upload(name, checkpoint)
    assert registry.find(name) is None
    assert not registry.home.exists()


@pytest.mark.parametrize("name", ["a", "_x", "Größe-2.1", "음성_모델", "1", "e\u0301t\u00e9"])
def test_valid_names_are_accepted(registry: Registry, checkpoint: Path, name: str) -> None:
    entry = registry.upload(name, checkpoint)
    assert registry.find(name.upper()) == entry


def test_other_folders_and_files_are_not_listed(registry: Registry) -> None:
    build(registry, "m", 1)
    (registry.home / "m" / "notes").mkdir()
    (registry.home / "empty").mkdir()
    (registry.home / ".git" / "1").mkdir(parents=True)
    (registry.home / "file").write_text("x")
    assert names(registry) == ["m@1"]


def test_a_damaged_version_is_reported_and_does_not_hide_the_others(registry: Registry) -> None:
    build(registry, "m", 1)
    damaged = build(registry, "m", 2, overwrite=True)
    (damaged.path / "thano.json").write_text("{")
    reported: list[str] = []
    assert names(registry, reported.append) == ["m@1"]
    assert len(reported) == 1
    assert "'m@2' is damaged" in reported[0]
    with pytest.raises(ModelError, match=r"'m@2' is damaged.*thano\.json"):
        registry.find("m")
    assert [entry.version for entry in registry.delete("m@2")] == [2]
    assert names(registry) == ["m@1"]


WRONG_ABOUT: list[dict[str, Any]] = [
    {"kind": 5}, {"kind": "other"}, {"base": {"a": 1}}, {"description": 7}, {"description": None}, {"created": 3},
    {"created": "yesterday"}, {"created": "0001-01-01T00:00:00+14:00"}, {"lineage": None}, {"lineage": [1]},
    {"lineage": {"metrics": "abc"}}, {"lineage": {"metrics": [5]}}, {"lineage": {"metrics": [{}]}},
    {"lineage": {"metrics": [{"epoch": "x"}]}}, {"lineage": {"metrics": [{"epoch": 10**30}]}},
    {"lineage": {"metrics": [{"epoch": True}]}}, {"lineage": {"metrics": [{"epoch": 1, "wer": "low"}]}},
    {"lineage": {"metrics": [{"epoch": 1, "wer": 10**400}]}}, {"lineage": {"metrics": [{"epoch": 1, "skipped": 1.5}]}},
    {"lineage": {"kept_epoch": "1"}},
    {"lineage": {"comparison": 5}}, {"lineage": {"comparison": {"base": {}}}},
    {"lineage": {"comparison": {"is_held_out": True, "base": {"wer": "x"}}}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_ABOUT, ids=str)
def test_values_of_another_type_damage_only_their_version(registry: Registry, wrong: dict[str, Any]) -> None:
    build(registry, "m", 1)
    damaged = build(registry, "m", 2, overwrite=True)
    about = json.loads((damaged.path / "thano.json").read_text())
    (damaged.path / "thano.json").write_text(json.dumps(about | wrong))
    reported: list[str] = []
    assert names(registry, reported.append) == ["m@1"]
    assert "'m@2' is damaged" in reported[0]
    with pytest.raises(ModelError, match=r"'m@2' is damaged"):
        registry.find("m")
    assert [entry.version for entry in registry.delete("m@2")] == [2]
    assert names(registry) == ["m@1"]


def test_figures_that_are_not_finite_are_no_damage(registry: Registry) -> None:
    lineage = {"metrics": [{"epoch": 1, "train_loss": float("nan"), "wer": None, "seconds": 3}], "kept_epoch": 1}
    assert build(registry, "m", 1, lineage=lineage).lineage["kept_epoch"] == 1


def test_a_version_that_is_deleted_while_it_is_looked_up(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(registry, "m", 1)
    build(registry, "m", 2, overwrite=True)

    def delete_then_read(folder: Path) -> About:
        monkeypatch.undo()  # what deletes it reads it as well
        registry.delete("m@2")
        return read_about(folder)

    monkeypatch.setattr("thano_duckdb.models.registry.read_about", delete_then_read)
    assert registry.find("m") == first


# Upload


def test_upload_copies_only_the_needed_files(registry: Registry, checkpoint: Path) -> None:
    for extra in ("pytorch_model.bin", "optimizer.pt", "training_args.bin", "README.md", "LICENSE", "vocab.txt"):
        (checkpoint / extra).write_text("x")
    (checkpoint / "runs").mkdir()
    (checkpoint / "runs" / "config.json").write_text("{}")
    (checkpoint / "linked.json").symlink_to(checkpoint / "config.json")
    entry = registry.upload("m", checkpoint, base="hf://a/b")
    assert sorted(path.name for path in entry.path.iterdir()) == [
        *("LICENSE", "README.md", "config.json", "linked.json", "model.safetensors", "preprocessor_config.json"),
        *("thano.json", "tokenizer_config.json", "vocab.json", "vocab.txt"),
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
    elif how == "vocab.json":  # of a network with outputs: without them it is a pretrained encoder
        (checkpoint / how).unlink()
        save_file({"lm_head.weight": np.zeros((2, 2), np.float32)}, checkpoint / "model.safetensors")
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


def test_delete_removes_a_version_or_all(registry: Registry) -> None:
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


# Built-in models


@pytest.mark.parametrize("name", ["Wav2Vec2En", "wav2vec2tinyEN", "TUTORIAL_audio_recognition", "wav2vec2"])
def test_no_model_hides_a_built_in_one(registry: Registry, checkpoint: Path, name: str) -> None:
    with pytest.raises(RegistryError, match=f"'{name}' is the name of a built-in model"):
        registry.upload(name, checkpoint, overwrite=True)
    with pytest.raises(RegistryError, match="built-in"):
        build(registry, name, 1)
    assert names(registry) == []
    with pytest.raises(RegistryError, match=f"'{name}' is built in and cannot be deleted"):
        registry.delete(name)
