"""What a second of audio costs in a network, by its configuration: multiplications, and memory of a pass. Pure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

LOG_MEL_STRIDE = 160
"""Samples from one frame of log-mel features to the next."""


def samples_per_frame(config: Any) -> int:
    """Samples from one frame of the transformer to the next.

    Args:
        config: transformers' configuration of the encoder, as in all functions here.
    """
    if hasattr(config, "conv_stride"):
        return math.prod(config.conv_stride)
    return LOG_MEL_STRIDE * int(getattr(config, "subsampling_factor", 2))


def n_weights(config: Any) -> int:
    """Weights of the network at least: those of its transformer's layers and of its convolutions."""

    def number(name: str) -> int:
        return int(getattr(config, name, None) or 0)

    hidden = number("hidden_size")
    layers = number("num_hidden_layers") * hidden * (4 * hidden + 2 * number("intermediate_size"))
    positions = hidden * hidden // (number("num_conv_pos_embedding_groups") or 1) * number("num_conv_pos_embeddings")
    return layers + sum(_convolution_weights(config)) + positions + hidden * number("vocab_size")


def multiplications_per_s(config: Any) -> float:
    """Multiplications, each with an addition, for a second of audio; the few of attention itself do not count."""
    rate_hz, n_per_s = float(SAMPLE_RATE_HZ), 0.0
    convolutions = _convolution_weights(config)
    for weights, stride in zip(convolutions, getattr(config, "conv_stride", ()), strict=True):
        rate_hz /= stride
        n_per_s += weights * rate_hz
    return n_per_s + (n_weights(config) - sum(convolutions)) * SAMPLE_RATE_HZ / samples_per_frame(config)


def values_per_s(config: Any, frame_s: float, *, log_mel_values_per_s: float = 0.0) -> float:
    """Numbers that a pass holds at a time for a second of audio.

    Args:
        config: see `samples_per_frame`.
        frame_s: seconds from one frame of the transformer to the next.
        log_mel_values_per_s: numbers of its input in a second, where it reads log-mel features.
    """
    # A transformer layer holds its input, queries, keys, values, results, and both sides of the activation.
    values_per_frame = 8 * config.hidden_size + 2 * config.intermediate_size
    # The first of the convolutions over time and frequency, if there are any.
    channels = getattr(config, "subsampling_conv_channels", 0)
    return float(values_per_frame / frame_s + channels * log_mel_values_per_s)


def _convolution_weights(config: Any) -> list[int]:
    if not hasattr(config, "conv_dim"):
        return []
    channels = pairwise((1, *config.conv_dim))
    return [before * after * kernel for (before, after), kernel in zip(channels, config.conv_kernel, strict=True)]
