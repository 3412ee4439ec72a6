"""Checks that a checkpoint's settings of log-mel features are those that `log_mel` computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief

from .log_mel import ADAPTER_STRIDE, HOP_SAMPLES, N_FFT, PREEMPHASIS, WINDOW_SAMPLES, LogMelInput
from .network_config import encoder_config

_EXTRACTORS = {"wav2vec2-bert": "SeamlessM4TFeatureExtractor", "parakeet_ctc": "ParakeetFeatureExtractor"}
_STACKED = 2
"""Frames of 10 ms to a row of wav2vec2-BERT."""


def read_log_mel_input(folder: Path, config: Any, settings: dict[str, Any]) -> LogMelInput:
    """How a network that reads log-mel features reads a clip.

    Args:
        folder: the checkpoint, for messages.
        config: transformers' configuration of the network.
        settings: those of the feature extractor.

    Raises:
        ModelError: the settings are not supported, or do not go with the network.
    """
    extractor = _EXTRACTORS[config.model_type]
    if (kind := settings.get("feature_extractor_type", extractor)) != extractor:
        raise ModelError(f"{folder} uses a {brief(str(kind))[1:-1]}, but its network needs a {extractor}")
    if config.model_type == "wav2vec2-bert":
        n_mels, stacked = settings.get("num_mel_bins", 80), settings.get("stride", _STACKED)
        _check(folder, "stride", stacked, _STACKED)
        _check(folder, "num_mel_bins", n_mels, config.feature_projection_input_dim // _STACKED)
        return LogMelInput("kaldi", n_mels, ADAPTER_STRIDE**config.num_adapter_layers if config.add_adapter else 1)
    encoder = encoder_config(config)
    n_mels = settings.get("feature_size", 80)
    _check(folder, "feature_size", n_mels, encoder.num_mel_bins)
    for name, supported in (
        ("hop_length", HOP_SAMPLES), ("win_length", WINDOW_SAMPLES), ("n_fft", N_FFT), ("preemphasis", PREEMPHASIS)
    ):  # fmt: skip
        _check(folder, name, settings.get(name, supported), supported)
    return LogMelInput("nemo", n_mels, encoder.subsampling_factor)


def _check(folder: Path, name: str, value: object, supported: object) -> None:
    if value != supported:
        raise ModelError(
            f"{folder} cannot be loaded: {name} in its preprocessor_config.json is {brief(repr(value))}, and only "
            f"{supported} is supported"
        )
