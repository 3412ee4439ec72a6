"""Which folder a model's name means, and how models are downloaded: by the real client of the hub, from a fake hub."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import thano_duckdb
from tests.checkpoint_styles import write_style
from tests.checkpoints import make_checkpoint, marker_of
from tests.models.fake_hub import SHA, FakeHub, put_in_cache
from thano_duckdb.errors import ModelError, ThanoError
from thano_duckdb.models import resolve
from thano_duckdb.models.built_in_models import BUILT_IN_MODELS, find_built_in
from thano_duckdb.models.registry import Registry

REPOSITORY = Path(__file__).resolve().parents[2]
BASE = "facebook/wav2vec2-base-960h"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for the client of the hub, which may not use the network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def refused(spec: str, registry: Registry, *, allow_external: bool = True) -> str:
    with pytest.raises(ModelError) as error:
        resolve.resolve(spec, registry, allow_external=allow_external)
    return str(error.value)


# Folders and names


def test_a_path_means_a_folder(here: Path, tmp_path: Path, registry: Registry) -> None:
    make_checkpoint(here / "model")
    make_checkpoint(tmp_path / "me" / "model")
    make_checkpoint(tmp_path / "sibling")
    for spec, folder in (
        ("./model", here / "model"),
        ("model", here / "model"),
        (str(here / "model"), here / "model"),
        ("~/model", tmp_path / "me" / "model"),
        ("../sibling", here / ".." / "sibling"),
    ):
        assert resolve.resolve(spec, registry) == resolve.ResolvedModel(folder, str(folder), None)


def test_folders_that_are_not_models_are_refused(here: Path, registry: Registry) -> None:
    (here / "nothing").mkdir()
    assert f"{here}/nothing is not a model: it has no config.json" in refused("./nothing", registry)
    assert refused("../x/missing", registry).startswith(f"there is no model folder {here}/../x/missing.")
    message = refused("facebook/wav2vec2-base-960h", registry)
    assert f"no model folder {here}/facebook/wav2vec2-base-960h" in message
    assert "write 'hf://facebook/wav2vec2-base-960h'" in message
    assert "hf://" not in refused("./facebook/wav2vec2-base-960h", registry)


def test_registered_names_are_found_in_any_case(here: Path, registry: Registry) -> None:
    make_checkpoint(here / "folder")
    first = registry.upload("My_Model", here / "folder")
    second = registry.upload("my_model", here / "folder", overwrite=True)
    assert resolve.resolve("MY_MODEL", registry) == resolve.ResolvedModel(second.path, "My_Model", 2)
    assert resolve.resolve("my_model@1", registry) == resolve.ResolvedModel(first.path, "My_Model", 1)
    assert refused("my_model@7", registry) == "the model 'my_model' has no version 7; it has 1, 2"
    assert "Did you mean 'My_Model'?" in refused("my_modle", registry)


def test_a_folder_never_hides_a_model_of_the_same_name(here: Path, registry: Registry, cache: Path) -> None:
    make_checkpoint(here / "m", 1)
    make_checkpoint(here / "wav2vec2", 1)
    registry.upload("m", here / "m")
    assert resolve.resolve("m", registry).version == 1
    assert resolve.resolve("./m", registry).version is None
    snapshot = put_in_cache(cache, BASE, make_checkpoint(here / "other", 2))
    assert resolve.resolve("wav2vec2", registry).folder == snapshot


def test_a_base_may_be_a_pretrained_encoder_without_a_vocabulary(
    here: Path, registry: Registry, cache: Path, tmp_path: Path
) -> None:
    encoder = make_checkpoint(tmp_path / "encoder")
    (encoder / "vocab.json").unlink()
    snapshot = put_in_cache(cache, "someone/encoder", encoder)
    for spec, folder in ((str(encoder), encoder), ("hf://someone/encoder", snapshot)):
        assert resolve.resolve(spec, registry, is_base=True).folder == folder
    assert "has no vocabulary" in refused(str(encoder), registry)
    assert "is not in the local cache" in refused("hf://someone/encoder", registry)  # its vocabulary may be on the hub


def test_a_base_with_outputs_needs_the_vocabulary_for_them(here: Path, registry: Registry) -> None:
    model = make_checkpoint(here / "model")
    (model / "vocab.json").unlink()
    save_file({"lm_head.weight": np.zeros((3, 4), np.float32)}, model / "model.safetensors")
    with pytest.raises(ModelError, match=r"has no vocabulary: it holds neither vocab\.json nor tokenizer\.json$"):
        resolve.resolve("./model", registry, is_base=True)


def test_unknown_names_are_refused_with_a_suggestion(here: Path, registry: Registry) -> None:
    assert "Did you mean 'Wav2Vec2En'?" in refused("Wav2Vec2Em", registry)
    assert "LIST THANOSQL MODEL" in refused("xyzzy", registry)
    for not_a_name in ("", "a b", "x;y"):
        assert "neither the name of a model nor a folder" in refused(not_a_name, registry)


# The hub's cache


@pytest.mark.parametrize("name", ["Wav2Vec2En", "wav2vec2en", "tutorial_audio_recognition", "WAV2VEC2", f"hf://{BASE}"])
def test_a_cached_model_needs_no_network(
    here: Path, tmp_path: Path, registry: Registry, cache: Path, name: str
) -> None:
    snapshot = put_in_cache(cache, BASE, make_checkpoint(tmp_path / "checkpoint", 5))
    resolved = resolve.resolve(name, registry)
    assert resolved.folder == snapshot
    assert resolved.name == (name if name.startswith("hf://") else "Wav2Vec2En")
    assert marker_of(resolved.folder) == 5


@pytest.mark.parametrize("style", ["wav2vec2-base-960h", "SSL XLS-R"])
def test_a_model_of_the_hub_is_kept_under_a_name_by_get_and_not_by_upload(
    here: Path, tmp_path: Path, registry: Registry, cache: Path, style: str
) -> None:
    put_in_cache(cache, "a/b", write_style(style, tmp_path / "checkpoint"))
    with thano_duckdb.connect(model_home=registry.home) as con:
        with pytest.raises(ModelError, match=r"UPLOAD MODEL takes a folder on this machine.*'hf://a/b'") as refusal:
            con.execute("UPLOAD MODEL my_model FROM 'hf://a/b'")
        (get,) = re.findall(r"GET THANOSQL MODEL '.*?' OPTIONS \(.*?\)", str(refusal.value))
        con.execute(get)
        assert con.sql("SELECT name FROM (LIST MODEL)").fetchall() == [("my_model",)]


def test_get_refuses_what_could_never_work(here: Path, tmp_path: Path, registry: Registry, cache: Path) -> None:
    put_in_cache(cache, "a/b", write_style("Whisper", tmp_path / "checkpoint"))
    with (
        thano_duckdb.connect(model_home=registry.home) as con,
        pytest.raises(ModelError, match="is a whisper model, which writes its text with a decoder"),
    ):
        con.execute("GET THANOSQL MODEL 'hf://a/b' OPTIONS (model_name='my_model')")
    assert not registry.home.exists()


@pytest.mark.parametrize("address", ["https://example.com/model", "s3://bucket/model", "file:///model"])
@pytest.mark.parametrize(
    ("statement", "takes"),
    [
        ("UPLOAD MODEL m FROM '{}'", "UPLOAD MODEL takes a folder"),
        ("UPLOAD LANGUAGE MODEL m FROM '{}'", "UPLOAD LANGUAGE MODEL takes a file"),
        ("PREDICT USING '{}' AS SELECT NULL AS audio_path", "a model is a name, 'hf://owner/name', or a folder"),
        ("SELECT thano_perplexity('a', '{}')", "a language model is a name, or a file"),
    ],
)
def test_an_address_is_not_taken_for_a_path(here: Path, statement: str, takes: str, address: str) -> None:
    with thano_duckdb.connect() as con, pytest.raises(ThanoError) as refusal:
        con.sql(statement.format(address)).fetchall()
    assert f"{takes} on this machine, and '{address}' is an address: download it first" in str(refusal.value)


def test_the_large_model_has_a_built_in_name(here: Path, tmp_path: Path, registry: Registry, cache: Path) -> None:
    large = "facebook/wav2vec2-large-960h-lv60-self"
    snapshot = put_in_cache(cache, large, make_checkpoint(tmp_path / "checkpoint"))
    assert resolve.resolve("wav2vec2largeen", registry).folder == snapshot
    assert find_built_in("WAV2VEC2LARGEEN") == BUILT_IN_MODELS[1]
    assert find_built_in("nothing") is None


def test_a_revision_is_a_branch_a_tag_or_a_commit(here: Path, tmp_path: Path, registry: Registry, cache: Path) -> None:
    old = put_in_cache(cache, "a/b", make_checkpoint(tmp_path / "old", 1), "1" * 40, "v1.0")
    new = put_in_cache(cache, "a/b", make_checkpoint(tmp_path / "new", 2), "2" * 40)
    assert resolve.resolve("hf://a/b", registry).folder == new
    assert resolve.resolve("hf://a/b@v1.0", registry) == resolve.ResolvedModel(old, "hf://a/b@v1.0")
    assert resolve.resolve(f"hf://a/b@{'1' * 40}", registry).folder == old
    assert "not in the local cache" in refused("hf://a/b@v2.0", registry)


@pytest.mark.parametrize("address", ["hf://", "hf://a", "hf://a/b/c", "hf://a b/c", "hf://a/b@", "hf://a/--b"])
def test_invalid_hub_addresses_are_refused(here: Path, registry: Registry, cache: Path, address: str) -> None:
    assert "is not an address on the hub" in refused(address, registry)
    if address != "hf://a/--b":  # only the hub's client knows that
        with pytest.raises(ModelError, match="is not an address on the hub"):
            resolve.check(address, registry)


def test_a_name_is_suggested_only_where_it_is_near(here: Path, registry: Registry) -> None:
    registry.upload("inhome", make_checkpoint(here / "folder"))
    assert "Did you mean" not in refused("nope", registry)
    assert "Did you mean 'inhome'?" in refused("in_home", registry)


def test_without_cache_and_network_the_error_offers_the_bundled_model(here: Path, registry: Registry) -> None:
    started = time.monotonic()
    message = refused("wav2vec2", registry)
    assert time.monotonic() - started < 5
    for words in (
        *("'wav2vec2'", BASE, "HF_HUB_OFFLINE is set. To get the model, unset HF_HUB_OFFLINE;"),
        *("the small English model of this package, USING Wav2Vec2TinyEn, or", "USING '/path/to/folder'"),
    ):
        assert words in message
    assert len(message) < 400
    assert "\n" not in message


def test_an_incomplete_model_in_the_cache_is_not_used(
    here: Path, tmp_path: Path, registry: Registry, cache: Path
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    put_in_cache(cache, BASE, checkpoint)
    assert "is not in the local cache" in refused("Wav2Vec2En", registry)


def test_without_external_access_only_registered_and_cached_models(
    here: Path, tmp_path: Path, registry: Registry, cache: Path
) -> None:
    folder = make_checkpoint(here / "folder")
    registry.upload("m", folder)
    for spec in ("./folder", str(folder), "hf://a/b"):
        assert "enable_external_access=false" in refused(spec, registry, allow_external=False)
    assert "no model 'folder'" in refused("folder", registry, allow_external=False)
    advice = refused("Wav2Vec2LargeEn", registry, allow_external=False)
    assert "cannot be used: this database may not use it (enable_external_access=false). To get the model, " in advice
    assert "a model of your own (LIST MODEL)" in advice
    assert "folder" not in advice
    assert resolve.resolve("m", registry, allow_external=False).name == "m"
    assert "enable_external_access=false" in refused("Wav2Vec2En", registry, allow_external=False)
    snapshot = put_in_cache(cache, BASE, folder)
    assert resolve.resolve("Wav2Vec2En", registry, allow_external=False).folder == snapshot


# Downloads


def test_a_model_is_downloaded_once_without_its_pickles(
    tmp_path: Path, fake_hub: str, online: Callable[..., str]
) -> None:
    model = make_checkpoint(tmp_path / "remote", 9)
    for unwanted in ("pytorch_model.bin", "tf_model.h5", "adapter.fra.safetensors"):
        (model / unwanted).write_bytes(b"x" * 1000)
    make_checkpoint(model / "checkpoint-500")
    FakeHub.repositories[BASE] = model
    folder = Path(online("Wav2Vec2En", fake_hub))
    assert folder == tmp_path / "hf" / "hub" / "models--facebook--wav2vec2-base-960h" / "snapshots" / SHA
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json"),
    ]
    assert marker_of(folder) == 9
    FakeHub.requested.clear()
    assert online("wav2vec2", fake_hub) == str(folder)
    assert online(f"hf://{BASE}", "http://127.0.0.1:9") == str(folder)
    assert FakeHub.requested == []


def test_an_interrupted_download_is_completed(tmp_path: Path, fake_hub: str, online: Callable[..., str]) -> None:
    FakeHub.repositories["a/b"] = make_checkpoint(tmp_path / "remote", 3)
    folder = Path(online("hf://a/b", fake_hub))
    blob = (folder / "model.safetensors").resolve()
    (folder / "model.safetensors").unlink()
    blob.unlink()
    assert online("hf://a/b", fake_hub) == str(folder)
    assert marker_of(folder) == 3


def test_what_the_hub_does_not_have_is_an_error(tmp_path: Path, fake_hub: str, online: Callable[..., str]) -> None:
    model = make_checkpoint(tmp_path / "remote")
    FakeHub.repositories["a/b"] = model
    assert "ModelError 'hf://a/c': there is no model a/c on the hub, or it is private" in online("hf://a/c", fake_hub)
    assert "has no revision 'v2' on the hub" in online("hf://a/b@v2", fake_hub)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    FakeHub.requested.clear()
    assert "a/b has no safetensors on the hub" in online("hf://a/b", fake_hub)
    assert not any("/resolve/" in path for path in FakeHub.requested)  # refused before anything is downloaded


def test_the_network_fails_fast(fake_hub: str, online: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        started = time.monotonic()
        message = online("Wav2Vec2En", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - started < 20
        assert "without a network, use" in message
        assert "timed out" in message
    assert "Connection refused" in online("Wav2Vec2En", "http://127.0.0.1:9")
    assert "HF_HUB_OFFLINE is set" in online("Wav2Vec2En", fake_hub, HF_HUB_OFFLINE="1")
    assert FakeHub.requested == []


def test_the_client_is_loaded_only_when_it_is_needed(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "model")
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from thano_duckdb.models import resolve\n"
        "from thano_duckdb.models.registry import Registry\n"
        "resolve.resolve('./model', Registry(Path('home')))\n"
        "print([name for name in ('huggingface_hub', 'torch', 'transformers') if name in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert run.stdout == "[]\n"
