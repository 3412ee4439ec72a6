"""The acoustic model: waveforms in, the most likely characters of every frame out.

Any `AutoModelForCTC` checkpoint that reads the waveform (Wav2Vec2, HuBERT, WavLM, Data2VecAudio, ..). Invariants: what
comes out for a clip does not depend on the clips beside it (`padding_invariance`), and in float32 it equals what
Hugging Face's model gives for the clip alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.device import Device, HostCopy, OutOfMemory, choose_device, is_out_of_memory
from thano_duckdb.speech.libraries import require_libraries
from thano_duckdb.speech.threads import POLL_S
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .clip_stream import ClipStream
from .ctc_checkpoint import CtcCheckpoint, fingerprint
from .feature_encoder import Convolution, FeatureEncoder
from .features import Features, features
from .int8 import Int8Product, quantise
from .padding_invariance import PaddingInvariance


class AcousticModel:
    """A loaded checkpoint. Any thread may call it; one forward pass runs at a time.

    Attributes:
        network: the Hugging Face model, in evaluation mode.
        vocabulary: what its labels stand for.
        grid: how its frames lie over the samples.
        device: where it runs.
        fingerprint: changes with the files of the checkpoint, the device and the precision.
        max_clips: clips in a batch at most: 1 where the architecture is not known to keep clips apart, else None.
    """

    def __init__(self, network: Any, checkpoint: CtcCheckpoint, device: Device) -> None:
        """Take over `network`, which has the shape of `checkpoint`; use `load` instead.

        Raises:
            ModelError: a layer of the network is not supported.
        """
        self.grid = checkpoint.grid
        self.vocabulary = checkpoint.vocabulary
        self.device = device
        self.fingerprint = f"{fingerprint(checkpoint.folder)} on {device}"
        self.max_clips = None if checkpoint.is_padding_invariant else 1
        self._normalize = checkpoint.normalize
        self._invariance = PaddingInvariance(network)
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
        check_checkpoint(folder)
        chosen = choose_device(device, precision)
        checkpoint = CtcCheckpoint.read(folder)
        return cls(checkpoint.load_network(), checkpoint, chosen)

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
        return features(samples, normalize=self._normalize, convolution=self._invariance.convolution)

    def forward(
        self, batch: Sequence[Features], monitor: Monitor, *, labels_per_frame: int | None = 1
    ) -> list[FrameScores]:
        """The scores of each clip of a batch.

        Args:
            batch: clips or windows of clips.
            monitor: asked between the layers whether to go on.
            labels_per_frame: how many of the most likely labels of each frame are wanted; None for all.

        Raises:
            OutOfMemory: the device has no room for the batch.
            Cancelled: `monitor` says so, within the pass too.
            RuntimeError: torch cannot compute it.
        """
        stream = ClipStream.of(batch, self.grid, pinned=self.device.is_cuda)
        while not self._lock.acquire(timeout=POLL_S):
            monitor.raise_if_cancelled()
        scores = None
        try:
            self._monitor = monitor
            scores = self._scores(stream, labels_per_frame)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            self._monitor = None
            self._lock.release()
        # Out here the error is gone, and with it the frames that held the batch's tensors.
        if scores is None:
            self.device.release_memory()
            raise OutOfMemory
        ids, log_probs = scores.wait()
        return [FrameScores(ids[row, :count], log_probs[row, :count]) for row, count in enumerate(stream.n_frames)]

    @torch.inference_mode()
    def _scores(self, stream: ClipStream, labels_per_frame: int | None) -> HostCopy:
        device = self.device.torch_device
        samples = stream.samples.to(device, non_blocking=True).to(self.device.dtype)
        frame_mask = None if stream.frame_mask is None else stream.frame_mask.to(device, non_blocking=True)
        with self._invariance.of(stream.moments, frame_mask), self._encoder.reading(stream):
            output = self.network(samples, attention_mask=frame_mask, return_dict=True)
        logits = output.logits.float()  # (batch, frames, vocab)
        best, ids = _most_likely(logits, labels_per_frame)
        log_probs = best - logits.logsumexp(dim=-1, keepdim=True)
        small = torch.int16 if logits.shape[-1] <= torch.iinfo(torch.int16).max else torch.int32
        return HostCopy.of(ids.to(small), log_probs)

    def _raise_if_cancelled(self, _module: nn.Module, _args: Any) -> None:
        if self._monitor is not None:
            self._monitor.raise_if_cancelled()


def _most_likely(logits: Tensor, n_labels: int | None) -> tuple[Tensor, Tensor]:
    """The highest logits and their labels, the highest first, both (batch, frames, labels)."""
    n_outputs = logits.shape[-1]
    if n_labels == 1:
        return logits.max(dim=-1, keepdim=True)  # several times as fast as `topk`
    return logits.topk(n_outputs if n_labels is None else min(n_labels, n_outputs), dim=-1)


def _fold_weight_norms(network: nn.Module) -> None:
    """Compute the weights of the positional convolution once, not in every pass."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
