"""Sets up network, batches and trainer for a build, and runs the training."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thano_duckdb.errors import Cancelled, ThanoError
from thano_duckdb.monitoring.training_monitor import EpochMetrics, TrainingMonitor
from thano_duckdb.speech.device import is_out_of_memory
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .audio_store import AudioStore
from .build_folder import BuildFolder
from .comparison import Comparison, Evaluation
from .corpus import Corpus
from .epoch_plan import EpochPlan
from .loader import BatchLoader
from .network import CtcNetwork, load_network
from .new_alphabet import NewAlphabet
from .schedule import Schedule
from .trainer import CtcTrainer
from .training_options import TrainingOptions
from .utterances import Utterances
from .validation import Validation


@dataclass(frozen=True)
class BatchLimits:
    """Padded seconds of audio in a batch: without and with a `batch_size` (which limits the clips as well)."""

    default_s: int
    with_batch_size_s: int


CPU_LIMITS = BatchLimits(default_s=40, with_batch_size_s=160)
GPU_LIMITS = BatchLimits(default_s=160, with_batch_size_s=640)
SAMPLE_CLIPS = 32
"""Clips of the training on which a model is compared with its base where none are held out."""


@contextlib.contextmanager
def seeded_network(folder: Path, options: TrainingOptions, alphabet: NewAlphabet | None = None) -> Iterator[CtcNetwork]:
    """The network of a build, as `load_network` gives it.

    Within the block all random generators are seeded; their states are restored after it.
    """
    import transformers

    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if options.device == "cuda" else []
    with torch.random.fork_rng(devices), quiet_transformers():
        try:
            transformers.set_seed(options.seed)
            yield load_network(folder, options, alphabet)
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


@dataclass(frozen=True)
class TrainingResult:
    """What a training did; the network has the weights of `kept_epoch`.

    Attributes:
        metrics: of every epoch.
        kept_epoch: the one to publish.
        comparison: of the network with its base; None where there is no base, from scratch.
    """

    metrics: tuple[EpochMetrics, ...]
    kept_epoch: int
    comparison: Comparison | None


def train(
    network: CtcNetwork,
    corpus: Corpus,
    store: AudioStore,
    folder: BuildFolder,
    options: TrainingOptions,
    schedule: Schedule,
    monitor: TrainingMonitor,
) -> TrainingResult:
    """Train `network`, or resume from the last checkpoint of `folder`.

    Args:
        network: the network of `seeded_network`.
        corpus: the rows.
        store: the audio of the rows.
        folder: receives a checkpoint after every epoch.
        options: how to train, with the device and the precision resolved.
        schedule: how long, and how fast.
        monitor: receives progress; asked within each step whether to stop.

    Raises:
        Cancelled: `monitor` was cancelled.
        ThanoError: there is not enough memory for a batch.
    """
    limits = CPU_LIMITS if options.device == "cpu" else GPU_LIMITS
    seconds = limits.default_s if options.batch_size is None else limits.with_batch_size_s
    of_batch: Any = {"max_clips": options.batch_size, "max_batch_samples": seconds * SAMPLE_RATE_HZ}
    plan = EpochPlan(corpus.train.n_samples, **of_batch, seed=options.seed)
    loader = BatchLoader(
        corpus.train, plan, network, store, seed=options.seed if options.augments else None, monitor=monitor
    )
    validation = Validation(
        corpus.validation or _sample(corpus.train, options.seed), network, store, **of_batch, monitor=monitor
    )

    def evaluate_held_out(trainer: CtcTrainer) -> Evaluation | None:
        return validation.evaluate(trainer.model_wrapped, trainer.to_device) if corpus.validation else None

    trainer = CtcTrainer(
        network,
        loader,
        folder,
        options,
        schedule,
        evaluate=evaluate_held_out,
        n_skipped=corpus.n_skipped,
        monitor=monitor,
    )
    network.monitor = monitor

    def evaluate_now(what: str) -> Evaluation:
        with trainer.accelerator.autocast():
            return validation.evaluate(network.module, trainer.to_device, shown_as=what)

    try:
        base = None
        if not options.from_scratch:
            if (figures := folder.base()) is None:
                folder.save_base(figures := asdict(evaluate_now("the base")))
            base = Evaluation(**figures)
        trainer.run()
        metrics = trainer.metrics
        comparison = None
        if base is not None:
            kept = metrics[trainer.kept_epoch - 1]
            model = Evaluation.of(kept) or evaluate_now("the new model")
            comparison = Comparison(bool(corpus.validation), len(validation.utterances), base, model)
    except Cancelled:
        raise _interrupted(trainer.metrics, schedule.epochs) from None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ThanoError(
            f"there is not enough memory on '{options.device}' to train on batches of up to {seconds} s of audio: "
            "use a smaller batch_size"
        ) from error
    return TrainingResult(tuple(metrics), trainer.kept_epoch, comparison)


def _sample(utterances: Utterances, seed: int) -> Utterances:
    """A few of the utterances, always the same."""
    chosen = np.random.default_rng(seed).permutation(len(utterances))[:SAMPLE_CLIPS]
    return utterances.take(np.sort(chosen))


def _interrupted(metrics: list[EpochMetrics], n_epochs: int) -> Cancelled:
    epoch = len(metrics)
    if not epoch:
        return Cancelled("the build was interrupted before the first epoch was finished")
    return Cancelled(
        f"the build was interrupted; run the same statement again to continue after epoch {epoch} of {n_epochs}"
    )
