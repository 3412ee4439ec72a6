"""Hugging Face's Trainer without its output, and with our batches, checkpoints and metrics."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback

from thano_duckdb.errors import ThanoError
from thano_duckdb.monitoring.training_monitor import EpochMetrics, StepProgress, TrainingMonitor

from .best_epoch import best_epoch, is_out_of_patience
from .build_folder import BuildFolder
from .comparison import Evaluation
from .loader import Batch, BatchLoader
from .network import CtcNetwork
from .schedule import Schedule
from .training_options import TrainingOptions

REPORT_EVERY_S = 0.5
WEIGHT_DECAY = 0.01
DECAY_SHARE = 0.5
"""Share of the steps, at the end, over which the learning rate falls to 0."""
MAX_SKIPPED_SHARE = 0.01
"""Share of the steps of an epoch that may be skipped for non-finite gradients; more than that is divergence."""
MAX_SCALER_SKIPS = 16
"""More steps per epoch that float16 may skip: torch's gradient scaler starts at 2**16 and halves until they fit."""
_PROCESSES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Environment variables by which accelerate sees that it is one of several processes."""
_METRICS = "thano_metrics"
"""The key of an epoch's metrics in the log of Trainer's state, which is saved in every checkpoint."""


def check_single_process() -> None:
    """Refuse to train in one of several processes that train together.

    Trainer would wrap the network in DistributedDataParallel and wait for the others, which build nothing: only one
    process gets the lock of the model's name.

    Raises:
        ThanoError: the environment is that of torchrun, `accelerate launch` or mpirun.
    """
    n_processes = max(int(value) if (value := os.environ.get(name, "")).isdigit() else 1 for name in _PROCESSES)
    if n_processes > 1 or os.environ.get("LOCAL_RANK", "-1") != "-1":
        raise ThanoError(
            "BUILD trains in one process on one device, but this process was started as one of several that train "
            "together (by torchrun, accelerate launch or mpirun: LOCAL_RANK or WORLD_SIZE is set); start Python "
            "without it. docs/training-on-several-gpus.md says how to train on several GPUs"
        )


def training_arguments(
    folder: BuildFolder, options: TrainingOptions, schedule: Schedule, n_steps: int
) -> transformers.TrainingArguments:
    """The settings of Trainer: nothing is printed or reported, and there is one checkpoint per epoch."""
    device, dtype = options.device, options.precision
    n_warmup = round(schedule.warmup_ratio * n_steps)
    n_decay = min(n_steps - n_warmup, round(DECAY_SHARE * n_steps))
    arguments = transformers.TrainingArguments(
        output_dir=str(folder.partial),
        num_train_epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
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
        logging_nan_inf_filter=False,  # it would wait for the device in every step; `finish_epoch` checks instead
        report_to=[],
        disable_tqdm=True,
        log_level="critical",
    )
    if arguments.device.type != device:
        raise ThanoError(
            f"Trainer would train on '{arguments.device}' instead of '{device}': does an environment variable, such as "
            "ACCELERATE_USE_CPU, say so?"
        )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one device only: DataParallel would split our batches
    return arguments


class CtcTrainer(transformers.Trainer):
    """Trains a `CtcNetwork` and records the metrics of each epoch."""

    loss_is_scaled_for_ga = False

    def __init__(
        self,
        network: CtcNetwork,
        loader: BatchLoader,
        folder: BuildFolder,
        options: TrainingOptions,
        schedule: Schedule,
        *,
        evaluate: Callable[[CtcTrainer], Evaluation | None],
        n_skipped: int,
        monitor: TrainingMonitor,
    ) -> None:
        """Prepare to train; `evaluate` is called after each epoch to evaluate the network."""
        n_steps = schedule.epochs * -(-len(loader) // options.gradient_accumulation)
        super().__init__(model=network.module, args=training_arguments(folder, options, schedule, n_steps))
        self.remove_callback(PrinterCallback)
        self.add_callback(_EpochCallback(self))
        self._network = network
        self._loader = loader
        self._folder = folder
        self._evaluate_network = evaluate
        self._n_skipped = n_skipped
        self._monitor = monitor
        self._head_factor = schedule.head_factor
        self._keeps_best, self._patience = options.keeps_best, options.patience
        self._start_clock(first_step=0)

    @property
    def metrics(self) -> list[EpochMetrics]:
        """The metrics of every epoch, including those before the build was resumed."""
        log: list[dict[str, Any]] = self.state.log_history
        return [EpochMetrics(**entry[_METRICS]) for entry in log if _METRICS in entry]

    @property
    def kept_epoch(self) -> int:
        """The epoch that is to be published, of those that are finished."""
        return best_epoch(self.metrics) if self._keeps_best else len(self.metrics)

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the training is over before its last epoch."""
        return is_out_of_patience(self.metrics, self._patience)

    def run(self) -> None:
        """Train, or resume from the last checkpoint, then load the weights of the epoch to publish."""
        checkpoint = self._folder.last_checkpoint()
        if checkpoint is not None:
            self.state = transformers.TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        if not self.is_out_of_patience:
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        self._load_from_checkpoint(str(self._folder.checkpoint(self.kept_epoch)))

    # What Trainer calls.

    def get_train_dataloader(self) -> Any:
        """Our own loader, because the threads that prepare its batches must not be forked."""
        return self._loader

    def create_optimizer(self, model: Any = None) -> Any:
        """Trainer's optimizer, where the head learns `head_factor` times as fast as the rest."""
        if self.optimizer is None:
            optimizer = super().create_optimizer(model)
            head = {id(weight) for weight in self._network.module.lm_head.parameters()}
            for group in list(optimizer.param_groups) if self._head_factor != 1 else ():
                of_head = [weight for weight in group["params"] if id(weight) in head]
                group["params"] = [weight for weight in group["params"] if id(weight) not in head]
                optimizer.add_param_group({**group, "params": of_head, "lr": self._head_factor * group["lr"]})
        return self.optimizer

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss over the clips of a batch."""
        output = self._network.run(inputs, model)
        return (output.loss, output) if return_outputs else output.loss

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        """The forward and backward pass for a batch, and its metrics."""
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
        """Always 0: we do not count operations."""
        return 0

    def to_device(self, batch: Batch) -> Batch:
        """Move a batch to the device of the network."""
        moved: Batch = self._prepare_inputs(batch)
        return moved

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        epoch = len(self.metrics)
        try:
            partial = self._folder.make_empty(self._folder.partial)
            super()._save_checkpoint(model, trial)
            (written,) = partial.iterdir()
            (written / "training_args.bin").unlink()  # a pickle that nothing reads
            self._folder.commit(written, epoch, keep=self.kept_epoch)
            shutil.rmtree(partial)
        except Exception as error:  # torch and safetensors each raise their own error for a full disk
            resume = f"continue after epoch {epoch - 1}" if epoch > 1 else "start again"
            raise ThanoError(
                f"the checkpoint of epoch {epoch} could not be written to {self._folder.partial}: {error}. No model "
                f"was changed. Once there is enough space, run the same statement again to {resume}"
            ) from error
        self._monitor.epoch_done(self.metrics[-1])

    def _clip_grad_norm(self, model: Any) -> Any:
        """Set non-finite gradients to zero, because a step with them would make every weight NaN."""
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        self._n_steps += 1
        self._n_skipped_steps += ~torch.isfinite(norm)
        for parameter in model.parameters():  # clipping has spread NaN to all gradients
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0, 0, 0)
        return norm

    # Our metrics.

    def finish_epoch(self) -> None:
        """Evaluate the network and record the metrics, before Trainer writes its checkpoint.

        Raises:
            ThanoError: too many steps had non-finite gradients, so this state is not worth a checkpoint.
        """
        n_clips, n_skipped_steps = int(self._n_clips), int(self._n_skipped_steps)
        n_tolerated = MAX_SKIPPED_SHARE * self._n_steps + (MAX_SCALER_SKIPS if self.args.fp16 else 0)
        if n_skipped_steps > n_tolerated or not n_clips:
            raise ThanoError(
                f"the training diverged in epoch {len(self.metrics) + 1}: loss or gradients are not finite (NaN or "
                f"infinite). Use a smaller learning_rate (it is {self.args.learning_rate:g}) or precision 'float32'"
            )
        if n_skipped_steps:
            skipped = "1 step was" if n_skipped_steps == 1 else f"{n_skipped_steps} steps were"
            self._monitor.warned(
                f"{skipped} skipped in epoch {len(self.metrics) + 1} (of {self._n_steps}), because the gradients were "
                "not finite (NaN or infinite)"
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

    def _start_clock(self, first_step: int) -> None:
        self._first_step = first_step  # not 0 if the training is resumed
        self._started_s = self._reported_s = time.monotonic()
        self._audio_s_since_start = 0.0
        self._loss_since_report: list[torch.Tensor] = []
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._epoch_started_s = time.monotonic()
        self._loss_sum: Any = 0.0
        self._n_clips: Any = 0
        self._n_steps = 0
        self._n_skipped_steps: Any = 0
        self._audio_s = 0.0
        self._learning_rate = 0.0

    def _report(self) -> None:
        now_s = time.monotonic()
        n_done = self.state.global_step
        n_done_in_this_run = n_done - self._first_step
        n_left = self.state.max_steps - n_done
        elapsed_s = now_s - self._started_s
        self._monitor.step_done(
            StepProgress(
                epoch=len(self.metrics) + 1,
                n_epochs=int(self.args.num_train_epochs),
                step=n_done,
                n_steps=self.state.max_steps,
                loss=float(torch.stack(self._loss_since_report).mean()),
                audio_s_per_s=self._audio_s_since_start / elapsed_s if elapsed_s > 0 else 0.0,
                left_s=n_left * elapsed_s / max(n_done_in_this_run, 1),
            )
        )
        self._reported_s = now_s
        self._loss_since_report.clear()


class _EpochCallback(transformers.TrainerCallback):
    def __init__(self, trainer: CtcTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: transformers.TrainerState, control: Any, **_kwargs: Any) -> None:
        self._trainer._start_clock(state.global_step)

    def on_epoch_end(self, args: Any, state: Any, control: transformers.TrainerControl, **_kwargs: Any) -> None:
        self._trainer.finish_epoch()
        if self._trainer.is_out_of_patience:
            control.should_training_stop = True
