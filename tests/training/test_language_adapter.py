"""BUILD trains a language of a model that has many: its adapter and its outputs, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.mms import hugging_face_text, set_target_lang, write_mms
from tests.speech.oracles import library_of, names, texts, transcribe
from tests.training.kit import RATE_HZ, NotingMonitor, run_build
from thano_duckdb.errors import LanguageError, ThanoError
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.training.training_options import Example, TrainingOptions

TEXTS = ("가나", "다 라마", "바사아", "하고 노도")
Clips = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mms(tmp_path_factory.mktemp("mms"))


@pytest.fixture(scope="module")
def clips() -> Clips:
    random = np.random.default_rng(4)
    return [0.1 * random.standard_normal(RATE_HZ + 2000 * n).astype(np.float32) for n in range(len(TEXTS))]


@pytest.fixture
def examples(tmp_path: Path, clips: Clips) -> list[Example]:
    rows = []
    for n, (samples, text) in enumerate(zip(clips, TEXTS, strict=True)):
        soundfile.write(path := tmp_path / f"{n}.wav", samples, RATE_HZ, subtype="FLOAT")
        rows.append(Example(str(path), text))
    return rows


def options(**given: object) -> TrainingOptions:
    defaults = {"epochs": 2, "learning_rate": 1e-2, "device": "cpu", "precision": "float32", "level": "exact"}
    return TrainingOptions(**{**defaults, **given})  # type: ignore[arg-type]


def written(folder: Path, clips: Clips, language: str | None = None) -> list[str | None]:
    engine = load_engine(folder, "cpu", "float32", language)
    return texts(transcribe(Engine(engine.recognizer, read=library_of(clips)), names(clips), level="exact"))


def test_only_adapter_and_outputs_of_the_language_are_trained(
    tmp_path: Path, base: Path, examples: list[Example]
) -> None:
    model = run_build(tmp_path / "home", base, examples, options(language="kor")).entry.path
    before, after = load_file(base / "model.safetensors"), load_file(model / "model.safetensors")
    korean = load_file(base / "adapter.kor.safetensors")
    assert before.keys() == after.keys()
    for name, weights in after.items():
        start = korean.get(name, before[name])
        assert torch.equal(weights, start) == (name not in korean), name


def test_the_new_model_has_the_language_in_plain_transformers(
    tmp_path: Path, base: Path, examples: list[Example], clips: Clips
) -> None:
    model = run_build(tmp_path / "home", base, examples, options(language="KOR", epochs=3)).entry.path
    found = written(model, clips)
    assert found == written(model, clips, "kor") != written(base, clips, "kor")
    assert found == [hugging_face_text(model, samples, None) for samples in clips]
    assert found == [hugging_face_text(model, samples, "kor") for samples in clips]
    with quiet_transformers():
        tokenizer = transformers.AutoProcessor.from_pretrained(model).tokenizer
    assert tokenizer.target_lang == "kor"
    assert sorted(path.name for path in model.glob("adapter.*")) == ["adapter.kor.safetensors"]
    assert list(json.loads((model / "vocab.json").read_text())) == ["kor"]
    with pytest.raises(LanguageError, match="has only the language 'kor', not 'eng'"):
        written(model, clips, "eng")
    again = run_build(tmp_path / "home", model, examples, options(epochs=1), name="again").entry.path
    assert all(text is not None for text in written(again, clips))


def test_the_loss_falls(tmp_path: Path, base: Path, examples: list[Example]) -> None:
    metrics = run_build(tmp_path / "home", base, examples, options(language="kor", epochs=20)).metrics
    assert metrics[-1].train_loss < 0.7 * metrics[0].train_loss


def test_the_default_language_is_trained_where_none_is_named(
    tmp_path: Path, base: Path, examples: list[Example], clips: Clips
) -> None:
    folder = Path(shutil.copytree(base, tmp_path / "german"))
    set_target_lang(folder, "deu")
    rows = [Example(row.audio, "über die straße") for row in examples]
    model = run_build(tmp_path / "home", folder, rows, options()).entry.path
    assert list(json.loads((model / "vocab.json").read_text())) == ["deu"]
    assert written(model, clips) == [hugging_face_text(model, samples, "deu") for samples in clips]


def test_another_alphabet_starts_from_the_adapter_of_a_language(
    tmp_path: Path, base: Path, examples: list[Example], clips: Clips
) -> None:
    chosen = options(language="kor", new_alphabet=True, alphabet=["jamo"], epochs=1)
    model = run_build(tmp_path / "home", base, examples, chosen).entry.path
    after, korean = load_file(model / "model.safetensors"), load_file(base / "adapter.kor.safetensors")
    name = "wav2vec2.encoder.layers.0.adapter_layer.linear_1.weight"
    assert 0 < (after[name] - korean[name]).abs().max() < 0.2
    assert not any(isinstance(value, dict) for value in json.loads((model / "vocab.json").read_text()).values())
    assert all(text is not None for text in written(model, clips))


def test_random_weights_have_the_outputs_of_the_language(
    tmp_path: Path, base: Path, examples: list[Example], clips: Clips
) -> None:
    model = run_build(tmp_path / "home", base, examples, options(language="kor", from_scratch=True)).entry.path
    assert written(model, clips) == [hugging_face_text(model, samples, "kor") for samples in clips]


def test_what_cannot_be_trained_is_refused_before_anything_is_read(
    tmp_path: Path, base: Path, examples: list[Example]
) -> None:
    for chosen, problem in (
        (options(language="ko"), "did you mean 'kor'"),
        (options(language="kor", freeze_feature_encoder=False), "trains the adapter and the outputs alone"),
    ):
        with pytest.raises(ThanoError, match=problem):
            run_build(tmp_path / "home", base, examples, chosen)


def test_a_build_of_another_language_does_not_continue_this_one(
    tmp_path: Path, base: Path, examples: list[Example]
) -> None:
    home = tmp_path / "home"
    with pytest.raises(ThanoError, match="the build was interrupted"):
        run_build(home, base, examples, options(language="kor"), monitor=NotingMonitor(stop_after=1))
    monitor = NotingMonitor()
    rows = [Example(row.audio, "aber") for row in examples]
    run_build(home, base, rows, options(language="deu"), monitor=monitor)
    assert [epoch.epoch for epoch in monitor.epochs] == [1, 2]
