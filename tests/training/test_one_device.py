"""A build trains on one device, whatever else Trainer finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.training.kit import run_build
from thano_duckdb.errors import ThanoError
from thano_duckdb.training.build_folder import BuildFolder
from thano_duckdb.training.schedule import Schedule
from thano_duckdb.training.trainer import training_arguments
from thano_duckdb.training.training_options import Example, TrainingOptions

OPTIONS = TrainingOptions(epochs=1, device="cpu", precision="float32")


def arguments(folder: Path, options: TrainingOptions = OPTIONS) -> transformers.TrainingArguments:
    schedule = Schedule.of(options, has_new_head=False)
    return training_arguments(BuildFolder(folder, "a", resume=False), options, schedule, 10)


def test_with_several_gpus_the_network_is_not_copied_to_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = transformers.TrainingArguments.__post_init__

    def find_four_gpus(self: transformers.TrainingArguments) -> None:
        prepare(self)
        self._n_gpu = 4

    monkeypatch.setattr(transformers.TrainingArguments, "__post_init__", find_four_gpus)
    found = arguments(tmp_path)
    assert (found.n_gpu, found.parallel_mode.value) == (1, "not_parallel")


def test_trainer_on_another_device_than_the_chosen_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: Any = torch.device("meta")
    monkeypatch.setattr(transformers.TrainingArguments, "device", wrong)
    with pytest.raises(ThanoError, match="Trainer would train on 'meta' instead of 'cpu'"):
        arguments(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("LOCAL_RANK", "0"), ("WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_SIZE", "4"), ("PMI_SIZE", "3")]
)
def test_a_process_of_several_that_train_together_is_refused_before_any_clip_is_read(
    tmp_path: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ThanoError, match="trains in one process on one device, but this process was started as one of"):
        run_build(tmp_path, small_model, [Example("nowhere.wav", "YES")], OPTIONS)


def test_a_single_process_may_say_that_it_is_the_only_one(
    tmp_path: Path, small_model: Path, clips: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("LOCAL_RANK", "-1")
    assert run_build(tmp_path, small_model, clips, OPTIONS).entry.version == 1
