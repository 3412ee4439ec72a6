"""Weights that are safetensors only in the pull request of the hub's converter."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checkpoints import make_checkpoint, marker_of
from tests.models.fake_hub import FakeHub, PullRequest

Online = Callable[..., str]


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    """A repository whose main branch has only a pickle."""
    model = make_checkpoint(tmp_path / "main", 1)
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"pickle")
    FakeHub.repositories["a/b"] = model
    return model


def converted(main: Path, marker: int) -> Path:
    """The files of a pull request that adds safetensors to `main`."""
    folder = Path(shutil.copytree(main, main.with_name(f"converted{marker}")))
    weights = make_checkpoint(main.with_name(f"weights{marker}"), marker) / "model.safetensors"
    shutil.copyfile(weights, folder / weights.name)
    return folder


def test_weights_of_the_converters_pull_request_are_found_and_then_taken_from_the_cache(
    fake_hub: str, online: Online, pickled: Path
) -> None:
    FakeHub.pull_requests["a/b"] = [PullRequest(3, converted(pickled, 7))]
    folder = Path(online("hf://a/b", fake_hub))
    assert marker_of(folder) == 7
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.json", "model.safetensors", "preprocessor_config.json", "vocab.json"),
    ]
    FakeHub.requested.clear()
    for spec in ("hf://a/b", "hf://a/b@main", "hf://a/b@refs/pr/3"):
        assert online(spec, fake_hub, HF_HUB_OFFLINE="1") == str(folder)
    assert FakeHub.requested == []


@pytest.mark.parametrize(
    "unfit",
    [
        pytest.param({"author": "somebody"}, id="of somebody else"),
        pytest.param({"title": "Better weights"}, id="about something else"),
        pytest.param({"status": "closed"}, id="closed"),
    ],
)
def test_other_pull_requests_are_not_used(fake_hub: str, online: Online, pickled: Path, unfit: dict[str, str]) -> None:
    FakeHub.pull_requests["a/b"] = [PullRequest(3, converted(pickled, 7), **unfit)]
    message = online("hf://a/b", fake_hub)
    assert "a/b has no safetensors on the hub, nor has an open pull request of its converter" in message
    assert "AutoModelForCTC.from_pretrained('a/b').save_pretrained('folder')" in message
    assert not any("/resolve/" in path for path in FakeHub.requested)  # refused before anything is downloaded
    assert marker_of(Path(online("hf://a/b@refs/pr/3", fake_hub))) == 7  # whoever names it gets it ..
    assert "no safetensors" in online("hf://a/b", fake_hub)  # .. and nobody else


def test_whoever_converts_an_encoder_gives_it_no_random_outputs(fake_hub: str, online: Online, pickled: Path) -> None:
    config = json.loads((pickled / "config.json").read_text()) | {"architectures": ["Wav2Vec2Model"]}
    (pickled / "config.json").write_text(json.dumps(config))
    message = online("hf://a/b", fake_hub)
    assert "AutoModel.from_pretrained('a/b').save_pretrained('folder'), and the same with AutoFeat" in message
    assert "ForCTC" not in message


@pytest.mark.parametrize("changed", ["pytorch_model.bin", "vocab.json"])
def test_a_pull_request_that_was_made_from_other_files_is_not_used(
    fake_hub: str, online: Online, pickled: Path, changed: str
) -> None:
    old, new = converted(pickled, 7), converted(pickled, 8)
    (old / changed).write_text("{}")
    FakeHub.pull_requests["a/b"] = [PullRequest(2, new), PullRequest(3, old)]
    assert marker_of(Path(online("hf://a/b", fake_hub))) == 8


def test_discussions_are_asked_for_only_where_main_has_no_safetensors(
    tmp_path: Path, fake_hub: str, online: Online, pickled: Path
) -> None:
    FakeHub.repositories["a/c"] = make_checkpoint(tmp_path / "other", 5)
    assert marker_of(Path(online("hf://a/c", fake_hub))) == 5
    assert "HF_HUB_OFFLINE is set" in online("hf://a/b", fake_hub, HF_HUB_OFFLINE="1")
    assert "no revision 'v1'" in online("hf://a/b@v1", fake_hub)
    assert not any("discussions" in path for path in FakeHub.requested)


def test_a_repository_without_discussions_is_one_without_pull_requests(
    fake_hub: str, online: Online, pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = FakeHub._serve

    def forbid(self: FakeHub, *, with_content: bool) -> None:
        if "discussions" in self.path:
            self._answer(403, b"{}", with_content, {})
        else:
            serve(self, with_content=with_content)

    monkeypatch.setattr(FakeHub, "_serve", forbid)
    assert "a/b has no safetensors on the hub" in online("hf://a/b", fake_hub)


def test_a_hub_that_does_not_answer_about_discussions_is_not_waited_for(
    fake_hub: str, online: Online, pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, serve = threading.Event(), FakeHub._serve

    def stall(self: FakeHub, *, with_content: bool) -> None:
        if "discussions" in self.path:
            answered.wait(30)
        serve(self, with_content=with_content)

    monkeypatch.setattr(FakeHub, "_serve", stall)
    try:
        assert "timed out" in online("hf://a/b", fake_hub)  # which itself gives up after a second
    finally:
        answered.set()
