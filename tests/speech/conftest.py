"""Small models with random weights, and clips of many lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings
from numpy.typing import NDArray

from tests.speech.oracles import MODELS, Clips, write_settings
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel

# Other programs may keep the machine busy for a while.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="package", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    """Small models gain nothing from several threads, and lose a lot when other programs need the cores."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of a small model with random weights, one of `MODELS`."""
    folders: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in folders:
            folder = tmp_path_factory.mktemp(name)
            torch.manual_seed(len(name))
            network = MODELS[name]()
            for parameter in network.parameters():  # away from the regular initial values, as after training
                parameter.data += 0.1 * parameter.data.std().nan_to_num(1).clamp_min(0.1) * torch.randn_like(parameter)
            for buffer in network.buffers():
                if buffer.dtype.is_floating_point:  # a batch normalisation that shifts
                    buffer.data += 0.3 * torch.rand_like(buffer)
            network.lm_head.weight.data *= 20  # a different label in every few frames
            with quiet_transformers():
                network.save_pretrained(folder)
            write_settings(folder, do_normalize=name != "hubert-group")
            folders[name] = folder
        return folders[name]

    return folder_of


@pytest.fixture(scope="session")
def loaded(random_model: Callable[[str], Path]) -> Callable[[str], AcousticModel]:
    """Returns a model of `MODELS`, loaded on the CPU once."""
    models: dict[str, AcousticModel] = {}

    def model_of(name: str) -> AcousticModel:
        if name not in models:
            models[name] = AcousticModel.load(random_model(name), device="cpu", precision="float32")
        return models[name]

    return model_of


@pytest.fixture(scope="session")
def noises() -> list[NDArray[np.float32]]:
    """Twelve clips without speech, 0.06 to 2 s, of different loudness, spectrum and offset."""
    random = np.random.default_rng(11)
    clips = []
    for length in (1_000, 32_000, 3_333, 8_000, 8_001, 24_500, 15_999, 6_000, 12_000, 12_160, 28_000, 10_345):
        white = random.normal(0, 1, length)
        coloured = np.convolve(white, random.normal(0, 1, 12), mode="same") * np.sin(np.arange(length) / 1_700)
        clips.append((random.uniform(0.01, 0.3) * coloured + random.uniform(-0.02, 0.02)).astype(np.float32))
    return clips


@pytest.fixture(scope="session")
def spoken(an4_test: list[Any]) -> Clips:
    """Every eighth test clip of an4."""
    return [soundfile.read(utterance.audio_path, dtype="float32")[0] for utterance in an4_test[::8]]


@pytest.fixture
def n_loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were loaded, in order."""
    loads: list[Path] = []
    load = AcousticModel.load

    def counting(folder: Path, **options: str) -> AcousticModel:
        loads.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(AcousticModel, "load", counting)
    return loads
