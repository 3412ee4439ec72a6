"""The training of one build: network, batches and trainer put together."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from thano_duckdb.errors import Cancelled, ThanoError
from thano_duckdb.monitoring.training_monitor import EpochMetrics, TrainingMonitor
from thano_duckdb.speech.batching import plan_batches
from thano_duckdb.speech.device import is_out_of_memory
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .audio_store import AudioStore
from .build_folder import BuildFolder
from .corpus import Corpus
from .epoch_plan import EpochPlan
from .loader import BatchLoader
from .network import CtcNetwork, load_network
from .trainer import CtcTrainer
from .training_options import TrainingOptions
from .validation import Evaluation, FixedBatches, evaluate


@dataclass(frozen=True)
class BatchLimits:
    """Padded seconds of audio in a batch: where the user names no number of clips, and at most."""

    automatic_s: int
    most_s: int


CPU_LIMITS = BatchLimits(automatic_s=40, most_s=160)
GPU_LIMITS = BatchLimits(automatic_s=160, most_s=640)


@contextlib.contextmanager
def seeded_network(folder: Path, options: TrainingOptions) -> Iterator[CtcNetwork]:
    """The network of a build, with the random numbers of the process its own while the block lasts."""
    import transformers

    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if options.device == "cuda" else []
    with torch.random.fork_rng(devices), quiet_transformers():
        try:
            transformers.set_seed(options.seed)
            yield load_network(folder, options)
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def train(
    network: CtcNetwork,
    corpus: Corpus,
    store: AudioStore,
    folder: BuildFolder,
    options: TrainingOptions,
    monitor: TrainingMonitor,
) -> list[EpochMetrics]:
    """Train `network`, or go on from the last checkpoint of `folder`.

    Args:
        network: as `seeded_network` gives it.
        corpus: the rows.
        store: their audio.
        folder: keeps a checkpoint of every epoch.
        options: with the device and precision resolved.
        monitor: receives progress; asked within each step whether to go on.

    Returns:
        The figures of every epoch.

    Raises:
        Cancelled: `monitor` says so.
        ThanoError: there is not enough memory for a batch.
    """
    limits = CPU_LIMITS if options.device == "cpu" else GPU_LIMITS
    seconds = limits.automatic_s if options.batch_size is None else limits.most_s
    plan = EpochPlan(
        [each.n_samples for each in corpus.train],
        max_clips=options.batch_size,
        max_batch_samples=seconds * SAMPLE_RATE_HZ,
        seed=options.seed,
    )
    loader = BatchLoader(
        corpus.train, plan, network, store, seed=options.seed if options.augments else None, monitor=monitor
    )
    held_out = plan_batches(
        [each.n_samples for each in corpus.validation],
        max_clips=options.batch_size,
        max_batch_samples=seconds * SAMPLE_RATE_HZ,
    )
    held_out_loader = BatchLoader(corpus.validation, FixedBatches(held_out), network, store, seed=None, monitor=monitor)

    def judge(trainer: CtcTrainer) -> Evaluation | None:
        if not held_out:
            return None
        return evaluate(
            network,
            held_out_loader,
            held_out,
            corpus.validation,
            call=trainer.model_wrapped,
            to_device=trainer.to_device,
        )

    trainer = CtcTrainer(network, loader, folder, options, evaluate=judge, n_skipped=corpus.n_skipped, monitor=monitor)
    network.monitor = monitor
    checkpoint = folder.last_checkpoint()
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Cancelled:
        raise _interrupted(trainer.metrics, options.epochs) from None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ThanoError(
            f"there is not enough memory on '{options.device}' to train on batches of up to {seconds} s of audio: "
            "choose a smaller batch_size"
        ) from error
    return trainer.metrics


def _interrupted(metrics: list[EpochMetrics], n_epochs: int) -> Cancelled:
    epoch = len(metrics)
    kept = f"the same statement goes on after epoch {epoch} of {n_epochs}" if epoch else "no epoch was finished yet"
    return Cancelled(f"the build was interrupted; {kept}")
