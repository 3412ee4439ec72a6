"""A network that OpenVINO runs: a `ClipScorer`.

Each clip of a batch is computed alone, so that its scores depend on no other, on one thread. Where a pass may use all
threads, because there is nothing else to compute, they share each clip.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from thano_duckdb.errors import Cancelled, OpenVinoError
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.compute import MAX_STREAMS
from thano_duckdb.speech.cores import n_torch_threads
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.device import CPU_BATCH_S, Device, OutOfMemory, is_out_of_memory
from thano_duckdb.speech.libraries import one_sentence, require_libraries
from thano_duckdb.speech.recognizer.acoustic_model import network_fingerprint
from thano_duckdb.speech.recognizer.clip_scorer import most_likely
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint
from thano_duckdb.speech.recognizer.features import Features, FirstConvolution, features
from thano_duckdb.speech.recognizer.level import Level
from thano_duckdb.speech.recognizer.passes import raise_if_stopped
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .export import Export, export_of
from .runtime import Network, read

POLL_MS = 50
"""How often a pass asks whether to stop."""


class OpenVinoModel:
    """A loaded checkpoint: a `ClipScorer` of OpenVINO."""

    row_samples = 1
    max_clips: int | None = None

    def __init__(self, checkpoint: CtcCheckpoint, export: Export, device: Device) -> None:
        """Take over an `export` of `checkpoint`. Most callers use `load` instead."""
        self.grid = checkpoint.grid
        self.min_samples = self.grid.receptive_field
        self.vocabulary = checkpoint.vocabulary
        self.device = device
        self.fingerprint = network_fingerprint(checkpoint, device)
        self._normalize = checkpoint.normalize
        self._export = export
        self._convolution = None if export.first is None else FirstConvolution.of(export.first)
        self._compiling = threading.Lock()
        self._read = read(export.network)  # now: its files may be removed while it is in use
        self._networks: dict[tuple[int, int], Network] = {}  # by their number of streams and of threads

    @classmethod
    def load(cls, folder: Path, device: Device) -> OpenVinoModel:
        """Load a checkpoint from a folder, after writing it for OpenVINO if that was not done before.

        Args:
            folder: a checkpoint in Hugging Face format with safetensors.
            device: a CPU.

        Raises:
            OpenVinoError: OpenVINO cannot run it.
            ModelError: the checkpoint cannot be loaded; the message gives the reason.
        """
        require_libraries()
        check_checkpoint(folder)
        checkpoint = CtcCheckpoint.read(folder)
        export = export_of(checkpoint, int8=device.precision == "int8")
        try:
            return cls(checkpoint, export, device)
        except RuntimeError as error:
            raise OpenVinoError(f"OpenVINO cannot read what it wrote: {one_sentence(error)}") from error

    @property
    def max_passes(self) -> None:
        """See `ClipScorer`."""
        return None

    @property
    def max_batch_samples(self) -> int:
        """See `ClipScorer`."""
        return CPU_BATCH_S * SAMPLE_RATE_HZ

    def in_language(self, folder: Path, language: str) -> OpenVinoModel:
        """Not supported: torch runs checkpoints of several languages."""
        raise OpenVinoError(f"OpenVINO cannot run {folder} in the language '{language}'")

    def features(self, samples: NDArray[np.float32], *, level: Level = "robust") -> Features:
        """See `ClipScorer`."""
        return features(samples, normalize=self._normalize, convolution=self._convolution, level=level)

    def forward(
        self, batch: Sequence[Features], monitor: Monitor, *, labels_per_frame: int | None = 1
    ) -> list[FrameScores]:
        """See `ClipScorer`."""
        fits = True
        try:
            with self._network().request() as request:
                return [self._scores(request, clip, monitor, labels_per_frame) for clip in batch]
        except (RuntimeError, MemoryError) as error:
            fits = not is_out_of_memory(error)
            if fits:
                raise
        raise OutOfMemory

    def _network(self) -> Network:
        """The network with a stream for each thread, or, for a pass that may use all threads, with a single one."""
        n_threads = min(n_torch_threads(), MAX_STREAMS)
        n_streams = n_threads if torch.get_num_threads() == 1 else 1
        if n_streams == 1:
            n_threads = n_torch_threads()
        with self._compiling:
            key = n_streams, n_threads
            if key not in self._networks:
                self._networks[key] = Network.compile(
                    self._read,
                    bfloat16=self.device.precision == "bfloat16",
                    n_streams=n_streams,
                    n_threads=n_threads,
                )
            return self._networks[key]

    def _scores(self, request: Any, clip: Features, monitor: Monitor, labels_per_frame: int | None) -> FrameScores:
        raise_if_stopped(monitor)
        n_samples = (self.grid.n_frames(clip.n_samples) - 1) * self.grid.stride + self.grid.receptive_field
        request.start_async(self._export.inputs(Features(clip.samples[:n_samples], clip.moments)))
        while not request.wait_for(POLL_MS):
            try:
                raise_if_stopped(monitor)
            except Cancelled:
                request.cancel()
                with contextlib.suppress(RuntimeError):  # it says that it was cancelled
                    request.wait()
                raise
        request.wait()  # raises what it failed with
        logits = torch.from_numpy(request.get_output_tensor().data)
        ids, log_probs = most_likely(logits, labels_per_frame)
        return FrameScores(ids[0].numpy(), log_probs[0].numpy())
