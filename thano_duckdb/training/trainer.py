"""Hugging Face's Trainer, made quiet, with our batches, our checkpoints and our figures."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from thano_duckdb.errors import ThanoError
from thano_duckdb.monitoring.training_monitor import EpochMetrics, StepProgress, TrainingMonitor

from .build_folder import BuildFolder
from .loader import Batch, BatchLoader
from .network import CtcNetwork
from .training_options import TrainingOptions
from .validation import Evaluation

REPORT_EVERY_S = 0.5
WEIGHT_DECAY = 0.01
DECAY_SHARE = 0.5
"""Of the steps, over which the learning rate falls to 0."""
BAD_STEPS_SHARE = 0.01
"""Of the steps of an epoch, which may have gradients that are not numbers and are left out; more is divergence."""
SCALER_BAD_STEPS = 16
"""That many more an epoch in float16: torch's gradient scaler begins at 2**16 and halves until the gradients fit."""
_METRICS = "thano_metrics"
"""Under this name the figures of each epoch are kept in Trainer's own state, and so in every checkpoint."""


def training_arguments(folder: BuildFolder, options: TrainingOptions, n_steps: int) -> transformers.TrainingArguments:
    """The settings of Trainer: nothing printed, nothing reported, a checkpoint an epoch."""
    device, dtype = options.device, options.precision
    n_warmup = round(options.warmup_ratio * n_steps)
    n_decay = min(n_steps - n_warmup, round(DECAY_SHARE * n_steps))
    arguments = transformers.TrainingArguments(
        output_dir=str(folder.partial),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": n_decay, "decay_type": "linear"},
        warmup_steps=n_warmup,
        weight_decay=WEIGHT_DECAY,
        gradient_accumulation_steps=options.gradient_accumulation,
        seed=options.seed,
        use_cpu=device == "cpu",
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        save_strategy="epoch",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would wait for the device in every step; `finish_epoch` looks instead
        report_to=[],
        disable_tqdm=True,
        log_level="critical",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one device: DataParallel would tear our batches apart
    return arguments


class CtcTrainer(transformers.Trainer):
    """Trains a `CtcNetwork` and keeps the figures of each epoch."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        network: CtcNetwork,
        loader: BatchLoader,
        folder: BuildFolder,
        options: TrainingOptions,
        *,
        evaluate: Callable[[CtcTrainer], Evaluation | None],
        n_skipped: int,
        monitor: TrainingMonitor,
    ) -> None:
        """Prepare to train; `evaluate` judges the network after each epoch."""
        n_steps = options.epochs * -(-len(loader) // options.gradient_accumulation)
        super().__init__(model=network.module, args=training_arguments(folder, options, n_steps))
        self.remove_callback(PrinterCallback)
        self.add_callback(_AtEpochs(self))
        self._network = network
        self._loader = loader
        self._folder = folder
        self._evaluate_network = evaluate
        self._n_skipped = n_skipped
        self._monitor = monitor
        self._started_s = self._reported_s = time.monotonic()
        self._audio_s_since_start = 0.0
        self._loss_since_report: list[torch.Tensor] = []
        self._start_epoch()

    @property
    def metrics(self) -> list[EpochMetrics]:
        """The figures of every epoch, those before a resumption too."""
        log: list[dict[str, Any]] = self.state.log_history
        return [EpochMetrics(**each[_METRICS]) for each in log if _METRICS in each]

    # What Trainer asks for.

    def get_train_dataloader(self) -> Any:
        """Our batches; the threads that make them are not to be forked."""
        return self._loader

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over the clips."""
        output = self._network.run(inputs, model)
        return (output.loss, output) if return_outputs else output.loss

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        """A batch forward and backward, with account kept of it."""
        self._monitor.raise_if_cancelled()
        self._learning_rate = self._get_learning_rate()
        scaled: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        loss = scaled * self.current_gradient_accumulation_steps
        n_clips = len(inputs["labels"]) * torch.isfinite(loss)  # a tensor: nothing here waits for the device
        self._loss_sum += n_clips * loss.nan_to_num()
        self._n_clips += n_clips
        self._audio_s += inputs["audio_s"]
        self._audio_s_since_start += inputs["audio_s"]
        self._loss_since_report.append(loss)
        if time.monotonic() - self._reported_s >= REPORT_EVERY_S:
            self._report()
        return scaled

    def floating_point_ops(self, inputs: Batch) -> int:
        """Not counted."""
        return 0

    def to_device(self, batch: Batch) -> Batch:
        """The batch where the network is."""
        moved: Batch = self._prepare_inputs(batch)
        return moved

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        epoch = len(self.metrics)
        try:
            partial = self._folder.empty(self._folder.partial)
            super()._save_checkpoint(model, trial)
            (written,) = partial.iterdir()
            (written / "training_args.bin").unlink()  # a pickle that nothing reads
            self._folder.commit(written, epoch)
            shutil.rmtree(partial)
        except Exception as error:  # torch and safetensors each have an error of their own for a full disk
            raise ThanoError(
                f"the checkpoint of epoch {epoch} could not be written to {self._folder.partial}: {error}. The models "
                f"there are unharmed; with room for it the same statement goes on after epoch {epoch - 1}"
            ) from error
        self._monitor.epoch_done(self.metrics[-1])

    def _clip_grad_norm(self, model: Any) -> Any:
        """Zero gradients that are not numbers: a step by them would make every weight of the network not a number."""
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        self._n_steps += 1
        self._n_bad_steps += ~torch.isfinite(norm)
        for parameter in model.parameters():  # clipping has spread what was no number over all of them
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0, 0, 0)
        return norm

    # Our account.

    def finish_epoch(self) -> None:
        """Judge the network and note the figures, before Trainer writes its checkpoint.

        Raises:
            ThanoError: too many steps had no gradient that is a number, so this state is not worth a checkpoint.
        """
        n_clips, n_bad_steps = int(self._n_clips), int(self._n_bad_steps)
        n_tolerated = BAD_STEPS_SHARE * self._n_steps + (SCALER_BAD_STEPS if self.args.fp16 else 0)
        if n_bad_steps > n_tolerated or not n_clips:
            raise ThanoError(
                f"the training diverged in epoch {len(self.metrics) + 1}: its loss is not a number. Choose a smaller "
                f"learning_rate (it is {self.args.learning_rate:g}) or precision 'float32'"
            )
        if n_bad_steps:
            self._monitor.warned(
                f"{n_bad_steps} of the {self._n_steps} steps of epoch {len(self.metrics) + 1} were left out: "
                "their gradients were not numbers"
            )
        evaluation = self._evaluate_network(self)
        metrics = EpochMetrics(
            epoch=len(self.metrics) + 1,
            train_loss=float(self._loss_sum) / n_clips,
            eval_loss=evaluation.loss if evaluation else None,
            wer=evaluation.wer if evaluation else None,
            cer=evaluation.cer if evaluation else None,
            learning_rate=self._learning_rate,
            audio_hours=self._audio_s / 3600,
            skipped=self._n_skipped,
            seconds=time.monotonic() - self._epoch_started_s,
        )
        log: list[dict[str, Any]] = self.state.log_history
        log.append({_METRICS: dataclasses.asdict(metrics)})
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._epoch_started_s = time.monotonic()
        self._loss_sum: Any = 0.0
        self._n_clips: Any = 0
        self._n_steps = 0
        self._n_bad_steps: Any = 0
        self._audio_s = 0.0
        self._learning_rate = 0.0

    def _report(self) -> None:
        now_s = time.monotonic()
        steps, of_this_run = self.state.global_step, self.state.global_step - self._initial_global_step
        elapsed_s = now_s - self._started_s
        left = self.state.max_steps - steps
        self._monitor.step_done(
            StepProgress(
                epoch=len(self.metrics) + 1,
                n_epochs=int(self.args.num_train_epochs),
                step=steps,
                n_steps=self.state.max_steps,
                loss=float(torch.stack(self._loss_since_report).mean()),
                audio_s_per_s=self._audio_s_since_start / elapsed_s if elapsed_s > 0 else 0.0,
                left_s=left * elapsed_s / max(of_this_run, 1),
            )
        )
        self._reported_s = now_s
        self._loss_since_report.clear()


class _AtEpochs(transformers.TrainerCallback):
    def __init__(self, trainer: CtcTrainer) -> None:
        self._trainer = trainer

    def on_epoch_end(self, *_args: Any, **_kwargs: Any) -> None:
        self._trainer.finish_epoch()
