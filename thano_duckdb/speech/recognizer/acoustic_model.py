"""The acoustic model: waveforms in, the best character of every frame out.

Any `AutoModelForCTC` checkpoint that reads the waveform (Wav2Vec2, HuBERT, WavLM, Data2VecAudio, ..). Invariants: what
comes out for a clip does not depend on the clips beside it (`isolation`), and in float32 equals what Hugging Face's
model gives for the clip alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.greedy import Vocabulary
from thano_duckdb.speech.device import Device, Download, OutOfMemory, choose_device, is_out_of_memory
from thano_duckdb.speech.libraries import first_line, quiet_transformers, require_libraries
from thano_duckdb.speech.threads import POLL_S
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, FrameGrid

from .clip_stream import ClipStream
from .ctc_checkpoint import fingerprint, read_normalize, read_vocabulary
from .feature_encoder import Convolution, FeatureEncoder
from .features import Features, features
from .int8 import Int8Product, quantise
from .padding_invariance import PADDED_MODEL_TYPES, ClipIsolation


@dataclass(frozen=True)
class FrameScores:
    """The best path through one clip or window.

    Attributes:
        ids: the most likely label of each frame, int16 where the vocabulary allows, shape (frames,).
        log_probs: natural logarithm of its probability, shape (frames,).
    """

    ids: NDArray[np.integer]
    log_probs: NDArray[np.float32]


class AcousticModel:
    """A loaded checkpoint. Any thread may call it; one forward pass runs at a time.

    Attributes:
        network: the Hugging Face model, in evaluation mode.
        vocabulary: what its labels stand for.
        grid: how its frames lie over the samples.
        device: where it runs.
        fingerprint: changes with the files of the checkpoint, the device and the precision.
        max_clips: clips in a batch at most, 1 where the architecture is not known to keep clips apart; else None.
    """

    def __init__(self, network: Any, *, folder: Path, device: Device) -> None:
        """Take over `network`, which was loaded from `folder`; use `load` instead.

        Raises:
            ModelError: the folder's settings, or the architecture, are not of a kind that is known.
        """
        config = network.config
        kernels, strides = getattr(config, "conv_kernel", None), getattr(config, "conv_stride", None)
        if network.main_input_name != "input_values" or not kernels or not strides:
            raise ModelError(f"{folder} is a {config.model_type} model; only models that read the waveform are known")
        if getattr(config, "add_adapter", False):
            raise ModelError(f"{folder} thins out its frames (add_adapter=true), which is not known here")
        self.grid = FrameGrid.of_convolutions(kernels, strides)
        self.vocabulary: Vocabulary = read_vocabulary(folder, config.vocab_size)
        self.device = device
        self.fingerprint = f"{fingerprint(folder)} on {device}"
        self.max_clips = None if config.model_type in PADDED_MODEL_TYPES else 1
        self._normalize = read_normalize(folder)
        self._isolation = ClipIsolation(network)
        self._lock = threading.Lock()
        self._monitor: Monitor | None = None  # of the pass that runs
        _fold_weight_norms(network)
        self.network = network.to(device.torch_device, device.dtype).eval()
        self._encoder = FeatureEncoder(network.base_model.feature_extractor, self.grid)
        network.base_model.feature_extractor = self._encoder
        if device.precision == "int8":
            quantise(network)
        # Hugging Face derives the mask of the frames from one of the samples, which is 320 times as large.
        network.base_model._get_feature_vector_attention_mask = lambda _n_frames, frame_mask, **_: frame_mask
        for module in network.modules():
            if isinstance(module, (Convolution, Int8Product, nn.Conv1d, nn.Linear)):
                module.register_forward_pre_hook(self._raise_if_cancelled)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", precision: str = "auto") -> AcousticModel:
        """Load a checkpoint from a folder: never the network, never a pickle, never code of the checkpoint's own.

        Args:
            folder: a checkpoint in Hugging Face format with safetensors.
            device: see `choose_device`.
            precision: see `choose_device`.

        Raises:
            ModelError: it cannot be loaded, with the reason.
        """
        require_libraries()
        import transformers

        check_checkpoint(folder)
        place = choose_device(device, precision)
        try:
            with quiet_transformers():
                network, loading = transformers.AutoModelForCTC.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
        except Exception as error:
            # Whatever is wrong with a checkpoint shows here, as any kind of error, safetensors' own among them.
            raise ModelError(f"{folder} cannot be loaded: {first_line(error)}") from error
        # The vector that SpecAugment masks with serves training alone; many checkpoints lack it.
        missing = sorted(name for name in loading["missing_keys"] if not name.endswith("masked_spec_embed"))
        if missing:
            raise ModelError(
                f"{folder} lacks {len(missing)} of its weights ({missing[0]}, ..): "
                "a model that was pretrained but not fine-tuned for speech recognition has no text to give"
            )
        return cls(network, folder=folder, device=place)

    @property
    def max_batch_samples(self) -> int:
        """Cost of a batch (see `plan_batches`) that suits the device to begin with."""
        config = self.network.config
        # A layer of the transformer holds its input, queries, keys, values, results, and both sides of an activation.
        values_per_frame = 8 * config.hidden_size + 2 * config.intermediate_size
        bytes_per_s = values_per_frame * self.device.dtype.itemsize / self.grid.frame_s
        return int(self.device.batch_s(bytes_per_s) * SAMPLE_RATE_HZ)

    def features(self, samples: NDArray[np.float32]) -> Features:
        """What of a clip enters the model.

        Args:
            samples: the whole clip, mono at 16 kHz, at least `grid.receptive_field` of them.
        """
        return features(samples, normalize=self._normalize, convolution=self._isolation.convolution)

    def forward(self, batch: Sequence[Features], monitor: Monitor) -> list[FrameScores]:
        """The best path through each clip of a batch.

        Raises:
            OutOfMemory: the device has no room for it.
            Cancelled: `monitor` says so, within the pass too.
            RuntimeError: torch cannot compute it.
        """
        stream = ClipStream.of(batch, self.grid, pinned=self.device.is_cuda)
        while not self._lock.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        best_path = None
        try:
            self._monitor = monitor
            best_path = self._best_path(stream)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            self._monitor = None
            self._lock.release()
        # Out here the error is gone, and with it the frames that held the batch's tensors.
        if best_path is None:
            self.device.release_memory()
            raise OutOfMemory
        ids, log_probs = best_path.wait()
        return [FrameScores(ids[row, :count], log_probs[row, :count]) for row, count in enumerate(stream.n_frames)]

    @torch.inference_mode()
    def _best_path(self, stream: ClipStream) -> Download:
        place = self.device.torch_device
        samples = stream.samples.to(place, non_blocking=True).to(self.device.dtype)
        frame_mask = None if stream.frame_mask is None else stream.frame_mask.to(place, non_blocking=True)
        with self._isolation.of(stream.moments, frame_mask), self._encoder.reading(stream):
            output = self.network(samples, attention_mask=frame_mask, return_dict=True)
        logits = output.logits.float()  # (batch, frames, vocab)
        best, ids = logits.max(dim=-1)
        log_probs = best - logits.logsumexp(dim=-1)
        small = torch.int16 if logits.shape[-1] <= torch.iinfo(torch.int16).max else torch.int32
        return Download.of(ids.to(small), log_probs)

    def _raise_if_cancelled(self, _module: nn.Module, _args: Any) -> None:
        if self._monitor is not None:
            self._monitor.raise_if_cancelled()


def _fold_weight_norms(network: nn.Module) -> None:
    """Compute the weights of the positional convolution once, not in every pass."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
