"""The acoustic model: clips in, the most likely labels of every frame out.

It runs any `AutoModelForCTC` checkpoint that reads the waveform (Wav2Vec2, HuBERT, WavLM, Data2VecAudio and others),
and those of wav2vec2-BERT and Parakeet, which read log-mel features.
Two invariants: the output for a clip does not depend on the other clips of its batch (`padding_invariance`), and in
float32 it equals the output of Hugging Face's model for the clip alone (for any clip where the level is `exact`).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.device import Device, HostCopy, OutOfMemory, choose_device, copy_to, is_out_of_memory
from thano_duckdb.speech.libraries import require_libraries
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .adapter_padding import AdapterPadding
from .clip_attention import attending_to, use_clip_attention
from .clip_scorer import ClipFeatures, most_likely
from .clip_stream import ClipStream
from .ctc_checkpoint import CtcCheckpoint, fingerprint
from .feature_encoder import FeatureEncoder, reading
from .features import Features, features
from .int8 import quantize
from .language_adapter import HEAD, language_modules, new_language_modules
from .level import Level
from .log_mel import LogMelFeatures
from .network_config import encoder_config
from .network_cost import values_per_s
from .packed_products import PackedProduct, pack_products, packs_products
from .padded_attention import attending, use_padded_flash_attention
from .padded_rows import PaddedRows
from .padding_invariance import PaddingInvariance
from .passes import Passes
from .positional_convolution import use_block_convolutions


class AcousticModel:
    """A loaded checkpoint: a `ClipScorer` of torch.

    Attributes:
        network: the Hugging Face model, in evaluation mode.
        max_clips: the most clips in a batch: 1 if the architecture is not known to be padding-invariant, else None.
    """

    def __init__(self, network: Any, checkpoint: CtcCheckpoint, device: Device) -> None:
        """Take over and change `network`, which was made from `checkpoint`. Most callers use `load` instead.

        Raises:
            ModelError: a layer of the network is not supported.
        """
        self.grid = checkpoint.grid
        self._log_mel = checkpoint.log_mel
        self.min_samples = self._log_mel.min_samples if self._log_mel else self.grid.receptive_field
        self.row_samples = self._log_mel.row_samples if self._log_mel else 1
        self.vocabulary = checkpoint.vocabulary
        self.device = device
        self.fingerprint = network_fingerprint(checkpoint, device)
        self.max_clips = None if checkpoint.is_padding_invariant else 1
        self._normalize = checkpoint.normalize
        fold_weight_norms(network)
        self.network = network.to(device.torch_device, device.dtype).eval()
        self._uses_flash_attention = self._uses_clip_attention = False
        if self._log_mel:
            self._adapter_padding = AdapterPadding(network)
        else:
            self._prepare_for_waveforms(network)
        if device.precision == "int8":
            quantize(network)
        elif packs_products(device):
            pack_products(network)
        self._language_modules = language_modules(network)
        self._passes = Passes(network, self._language_modules)

    def _prepare_for_waveforms(self, network: Any) -> None:
        """Change a network that reads waveforms so that it reads streams of clips, and ignores padding."""
        if self.device.is_cuda:
            use_block_convolutions(network)
        elif packs_products(self.device):
            use_block_convolutions(network, PackedProduct)
        self._uses_flash_attention = use_padded_flash_attention(network, self.device)
        self._uses_clip_attention = use_clip_attention(network, self.device)
        self._invariance = PaddingInvariance(network)
        # Not `base_model`: that of SEW-D is the whole network in some releases of transformers.
        (encoder,) = (child for child in network.children() if hasattr(child, "feature_extractor"))
        encoder.feature_extractor = FeatureEncoder(encoder.feature_extractor, self.grid)
        # Hugging Face derives the mask of the frames from a mask of the samples, which is 320 times as large.
        encoder._get_feature_vector_attention_mask = lambda _n_frames, frame_mask, **_: frame_mask

    @classmethod
    def load(
        cls, folder: Path, *, device: str = "auto", precision: str = "auto", language: str | None = None
    ) -> AcousticModel:
        """Load a checkpoint from a folder, without network access, pickles, or code that the checkpoint contains.

        Args:
            folder: a checkpoint in Hugging Face format with safetensors.
            device: see `choose_device`.
            precision: see `choose_device`.
            language: which of the languages of the checkpoint; None for its default.

        Raises:
            ModelError: the checkpoint cannot be loaded; the message gives the reason.
        """
        require_libraries()
        check_checkpoint(folder)
        chosen = choose_device(device, precision)
        checkpoint = CtcCheckpoint.read(folder, language=language)
        return cls(checkpoint.load_network(), checkpoint, chosen)

    def in_language(self, folder: Path, language: str) -> AcousticModel:
        """The same network in another language: only the layers that differ between the two are loaded.

        Raises:
            ModelError: the checkpoint lacks the language, or its file is damaged.
        """
        checkpoint = CtcCheckpoint.read(folder, language=language)
        modules = new_language_modules(self.network, folder, checkpoint.adapter)
        for name, module in modules.items():
            module.to(self.device.torch_device, self.device.dtype).eval()
            if self.device.precision == "int8" and name != HEAD:
                quantize(module)
        self._passes.watch(modules.values())
        other = copy.copy(self)  # shares the network and its passes
        other.vocabulary = checkpoint.vocabulary
        other.fingerprint = network_fingerprint(checkpoint, self.device)
        other._language_modules = modules
        return other

    @property
    def max_passes(self) -> int | None:
        """See `ClipScorer`."""
        return self._passes.max_running

    @property
    def max_batch_samples(self) -> int:
        """See `ClipScorer`."""
        log_mel_values = self._log_mel.n_mels * SAMPLE_RATE_HZ / self.row_samples if self._log_mel else 0.0
        n_values = values_per_s(
            encoder_config(self.network.config), self.grid.frame_s, log_mel_values_per_s=log_mel_values
        )
        bytes_per_s = n_values * self.device.dtype.itemsize
        return int(self.device.batch_s(bytes_per_s) * SAMPLE_RATE_HZ)

    def features(self, samples: NDArray[np.float32], *, level: Level = "robust") -> ClipFeatures:
        """See `ClipScorer`."""
        if self._log_mel:
            return self._log_mel.features(samples, level=level)
        return features(samples, normalize=self._normalize, convolution=self._invariance.convolution, level=level)

    def forward(
        self, batch: Sequence[ClipFeatures], monitor: Monitor, *, labels_per_frame: int | None = 1
    ) -> list[FrameScores]:
        """See `ClipScorer`."""
        stacked = self._stacked(batch)
        scores = None
        try:
            with self._passes.running(self._language_modules, monitor):
                scores = self._scores(stacked, labels_per_frame)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # After the `except` block the error, whose traceback kept the tensors of the batch alive, is gone.
        if scores is None:
            self.device.release_memory()
            raise OutOfMemory
        ids, log_probs = scores.wait()
        return [FrameScores(ids[row, :count], log_probs[row, :count]) for row, count in enumerate(stacked.n_frames)]

    def _stacked(self, batch: Sequence[ClipFeatures]) -> ClipStream | PaddedRows:
        pinned = self.device.is_cuda
        if self._log_mel:
            rows = [clip for clip in batch if isinstance(clip, LogMelFeatures)]
            return PaddedRows.of(rows, self._log_mel.subsampling, pinned=pinned)
        return ClipStream.of([clip for clip in batch if isinstance(clip, Features)], self.grid, pinned=pinned)

    @torch.inference_mode()
    def _scores(self, batch: ClipStream | PaddedRows, labels_per_frame: int | None) -> HostCopy:
        output = self._of_waveforms(batch) if isinstance(batch, ClipStream) else self._of_rows(batch)
        return HostCopy.of(*most_likely(output.logits.float(), labels_per_frame))

    def _of_waveforms(self, stream: ClipStream) -> Any:
        device = self.device.torch_device
        samples = stream.samples.to(device, non_blocking=True).to(self.device.dtype)
        frame_mask = None if stream.frame_mask is None else stream.frame_mask.to(device, non_blocking=True)
        with contextlib.ExitStack() as contexts:
            contexts.enter_context(self._invariance.for_batch(stream.moments, frame_mask))
            contexts.enter_context(reading(stream))
            if self._uses_flash_attention:
                n_frames = copy_to(device, np.array(stream.n_frames, np.int32))
                contexts.enter_context(attending(n_frames, max(stream.n_frames)))
            if self._uses_clip_attention:
                contexts.enter_context(attending_to(stream.n_frames))
            return self.network(samples, attention_mask=frame_mask, return_dict=True)

    def _of_rows(self, batch: PaddedRows) -> Any:
        device = self.device.torch_device
        rows = batch.rows.to(device, non_blocking=True).to(self.device.dtype)
        mask = None if batch.mask is None else batch.mask.to(device, non_blocking=True)
        is_padded = int(batch.n_rows.min()) < rows.shape[1]
        with self._adapter_padding.for_batch(batch.n_rows.to(device) if is_padded else None):
            return self.network(input_features=rows, attention_mask=mask, return_dict=True)


def network_fingerprint(checkpoint: CtcCheckpoint, device: Device) -> str:
    """See `AcousticModel.fingerprint`; nothing is loaded."""
    return f"{fingerprint(checkpoint.folder, checkpoint.language)} in {device.arithmetic}"


def fold_weight_norms(network: nn.Module) -> None:
    """Compute the normalised weights of the positional convolution once instead of in every pass."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
