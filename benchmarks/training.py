"""Training throughput against a plain Hugging Face Trainer, with the same clips, model and batch size."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import transformers
from transformers.trainer_pt_utils import LengthGroupedSampler

import thano_duckdb
from benchmarks.clip_sets import MODEL, an4_test
from benchmarks.report import report
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.training.loader import BatchLoader

N_CLIPS = 120
BATCH_SIZE = 8
N_PAIRS = 3


def main() -> None:
    """Alternate two epochs of BUILD with two of the plain loop; the second epoch of each is timed.

    Ours decodes within the timed epoch, unless the clips are still in its store; the plain loop has decoded and
    prepared its inputs beforehand, as the published scripts do.
    """
    paths = an4_test()[:N_CLIPS]
    ours, plain, waits = [], [], []
    for _ in range(N_PAIRS):
        speed, waited = _build(paths)
        ours.append(speed)
        waits.append(waited)
        plain.append(_hugging_face(paths))
    report(
        "training",
        [
            {
                "clips": N_CLIPS,
                "batch": BATCH_SIZE,
                "threads": torch.get_num_threads(),
                "ours_audio_s_per_s": round(statistics.median(ours), 1),
                "hugging_face_audio_s_per_s": round(statistics.median(plain), 1),
                "ratio": round(statistics.median(a / b for a, b in zip(ours, plain, strict=True)), 3),
                "waiting_for_input_percent": round(100 * statistics.median(waits), 2),
            }
        ],
    )


def _build(paths: list[str]) -> tuple[float, float]:
    """Audio seconds per second in the second epoch, and the share of the training time spent waiting for batches."""
    waited_s = 0.0
    batches = BatchLoader.__iter__

    def timed(self: BatchLoader) -> Iterator[Any]:
        nonlocal waited_s
        iterator = batches(self)
        while True:
            begun_s = time.perf_counter()
            batch = next(iterator, None)
            waited_s += time.perf_counter() - begun_s
            if batch is None:
                return
            yield batch

    with (
        tempfile.TemporaryDirectory() as home,
        thano_duckdb.connect(model_home=home, progress=False) as con,
        mock.patch.object(BatchLoader, "__iter__", timed),
    ):
        con.execute("CREATE TABLE clips AS SELECT unnest(?) AS audio_path, 'ONE TWO THREE' AS text", [paths])
        rows = con.execute(
            f"BUILD MODEL bench USING '{MODEL}' OPTIONS (epochs=2, batch_size={BATCH_SIZE},"
            " freeze_feature_encoder=False) AS SELECT * FROM clips"
        ).fetchall()
    seconds, hours = [row[-1] for row in rows], [row[-3] for row in rows]
    return 3600 * hours[1] / seconds[1], waited_s / sum(seconds)


class _PlainDataset(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, paths: list[str]) -> None:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
        tokenizer = transformers.Wav2Vec2CTCTokenizer(str(MODEL / "vocab.json"))
        labels = tokenizer("ONE TWO THREE").input_ids
        self.rows: list[dict[str, Any]] = []
        for path in paths:
            waveform = decode(Clip.of(path))
            assert isinstance(waveform, Waveform)
            values = extractor(waveform.samples, sampling_rate=16_000).input_values[0]
            self.rows.append({"input_values": values, "labels": labels, "length": len(values)})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


def _collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad as the published CTC fine-tuning script does."""
    longest = max(row["length"] for row in rows)
    values = np.zeros((len(rows), longest), np.float32)
    mask = np.zeros((len(rows), longest), np.int64)
    for row, (value, valid) in zip(rows, zip(values, mask, strict=True), strict=True):
        value[: row["length"]], valid[: row["length"]] = row["input_values"], 1
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_values": torch.from_numpy(values), "attention_mask": torch.from_numpy(mask), "labels": labels}


class _LengthGrouped(transformers.Trainer):
    """`train_sampling_strategy="group_by_length"`, which finds lengths only in `datasets` objects by itself."""

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler:
        assert isinstance(self.train_dataset, _PlainDataset)
        lengths = [row["length"] for row in self.train_dataset.rows]
        return LengthGroupedSampler(BATCH_SIZE, lengths=lengths)


class _EpochTimes(transformers.TrainerCallback):
    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.seconds: list[float] = []

    def on_epoch_begin(self, *_args: Any, **_kwargs: Any) -> None:
        self.begun_s.append(time.perf_counter())

    def on_epoch_end(self, *_args: Any, **_kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self.begun_s[-1])


def _hugging_face(paths: list[str]) -> float:
    """Audio seconds per second in the second epoch of a plain Trainer."""
    data, times = _PlainDataset(paths), _EpochTimes()
    with quiet_transformers():
        network = transformers.Wav2Vec2ForCTC.from_pretrained(MODEL, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=str(Path(folder)),
            num_train_epochs=2,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=1e-4,
            use_cpu=True,
            remove_unused_columns=False,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = _LengthGrouped(network, arguments, data_collator=_collate, train_dataset=data, callbacks=[times])
        trainer.train()
    n_samples: int = sum(row["length"] for row in data.rows)
    return n_samples / 16_000 / times.seconds[1]
