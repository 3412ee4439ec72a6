"""Whether `config.json` describes a network that this machine may build: a few digits there can ask for terabytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.checkpoint import weight_files
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, SINGLE_PASS_MAX_S

from .network_cost import multiplications_per_s, n_weights, samples_per_frame

MAX_CONVOLUTIONS = 32
MIN_STRIDE = 40
"""Samples from one frame to the next; those of real models are 160 to 640. Attention takes time that grows with the
square of the number of frames."""
MAX_ATTENTION_SCORES = 2**30
"""Of one layer, over the longest clip that goes through the network as a whole; a large real model has 2^26."""
MAX_MULTIPLICATIONS_PER_S = 10**12
"""For a second of audio; the largest real models take 10^11."""
# The entries of config.json that are counts, from 1 up to:
_LARGEST = {
    "vocab_size": 1_000_000,
    "num_hidden_layers": 1_000,
    "hidden_size": 65_536,
    "intermediate_size": 1_000_000,
    "num_attention_heads": 1_024,
    "num_conv_pos_embeddings": 65_536,
    "num_conv_pos_embedding_groups": 65_536,
    "conv_pos_kernel_size": 65_536,
    "squeeze_factor": 100,
    "num_buckets": 1_000_000,
    "max_bucket_distance": 1_000_000,
    "position_buckets": 1_000_000,
    "max_position_embeddings": 1_000_000,
    "max_source_positions": 1_000_000,
    "conv_depthwise_kernel_size": 10_000,
    "feature_projection_input_dim": 4_096,
    "left_max_position_embeddings": 100_000,
    "right_max_position_embeddings": 100_000,
    "subsampling_conv_channels": 65_536,
    "num_mel_bins": 1_024,
    "conv_kernel_size": 10_000,
    "num_adapter_layers": 4,
    "output_hidden_size": 65_536,
    "num_codevector_groups": 1_000,
    "num_codevectors_per_group": 1_000_000,
    "codevector_dim": 65_536,
    "proj_codevector_dim": 65_536,
    "classifier_proj_size": 65_536,
    "adapter_attn_dim": 65_536,
    "mask_time_length": 1_000_000,
    "mask_feature_length": 1_000_000,
}
_MAY_BE_NONE = {"adapter_attn_dim", "output_hidden_size", "vocab_size"}
_MAY_BE_NEGATIVE = {"position_buckets"}  # -1 for none
_LARGEST_CONVOLUTION = {"conv_dim": 65_536, "conv_kernel": 10_000, "conv_stride": 10_000}
_ACTIVATIONS = ("hidden_act", "feat_extract_activation")
_TOLERANCE = 1.5
_MIN_PARAMETERS = 10_000_000  # below that any network is built at once


def check_network_size(folder: Path, config: Any) -> None:
    """Check the values of transformers' configuration, and that it describes no more than the weights hold.

    Raises:
        ModelError: a value is invalid, or out of all proportion.
    """
    encoder = getattr(config, "encoder_config", config)
    for each in (encoder, config):
        _check_counts(folder, each)
        _check_other_values(folder, each)
    if hasattr(config, "conv_stride"):
        _check_convolutions(folder, config)
    else:
        _check_subsampling(folder, encoder)
    _check_work(folder, encoder)
    if not weight_files(folder):  # then it is not loaded either
        return
    described = n_weights(encoder)
    if described > _MIN_PARAMETERS and described > _TOLERANCE * (stored := n_stored(folder)):
        raise ModelError(
            f"{folder} cannot be loaded: its config.json describes {described:,} weights, and its files hold {stored:,}"
        )


def _check_counts(folder: Path, config: Any) -> None:
    for name, largest in _LARGEST.items():
        value = getattr(config, name, 1)
        if value is None and name in _MAY_BE_NONE:
            continue
        if not _is_count(value, largest) and not (value == -1 and name in _MAY_BE_NEGATIVE):
            raise _refusal(folder, name, value)
    if not hasattr(config, "hidden_size"):
        return
    for name in ("num_attention_heads", "num_conv_pos_embedding_groups"):
        if config.hidden_size % getattr(config, name, 1):
            raise ModelError(
                f"{folder} cannot be loaded: hidden_size in its config.json ({config.hidden_size}) is not a multiple "
                f"of {name} ({getattr(config, name)})"
            )


def _check_convolutions(folder: Path, config: Any) -> None:
    lengths = set()
    for name, largest in _LARGEST_CONVOLUTION.items():
        values: Any = getattr(config, name, None)
        is_list = isinstance(values, list | tuple) and 0 < len(values) <= MAX_CONVOLUTIONS
        if not (is_list and all(_is_count(value, largest) for value in values)):
            raise _refusal(folder, name, values)
        lengths.add(len(values))
    if len(lengths) > 1 or math.prod(config.conv_stride) > SAMPLE_RATE_HZ:
        raise ModelError(f"{folder} cannot be loaded: the convolutions in its config.json do not fit together")
    if (stride := math.prod(config.conv_stride)) < MIN_STRIDE:
        raise ModelError(
            f"{folder} cannot be loaded: conv_stride in its config.json gives a frame for every {stride} samples, "
            f"which would take far too long; at least {MIN_STRIDE} are supported, and speech models have 160 to 640"
        )


def _check_subsampling(folder: Path, config: Any) -> None:
    """Check how an encoder that reads log-mel features reduces them to frames."""
    for name, supported in (
        ("subsampling_conv_kernel_size", 3), ("subsampling_conv_stride", 2), ("adapter_kernel_size", 3),
        ("adapter_stride", 2),
    ):  # fmt: skip
        if getattr(config, name, supported) != supported:
            raise _refusal(folder, name, getattr(config, name))
    if getattr(config, "subsampling_factor", 2) not in (2, 4, 8, 16):
        raise _refusal(folder, "subsampling_factor", config.subsampling_factor)
    if getattr(config, "num_mel_bins", 80) < getattr(config, "subsampling_factor", 1):
        raise _refusal(folder, "num_mel_bins", config.num_mel_bins)


def _check_other_values(folder: Path, config: Any) -> None:
    from transformers.activations import ACT2FN

    for name, value in vars(config).items():
        is_share = name.endswith(("dropout", "_prob", "layerdrop"))
        is_small = name.endswith("_eps") or name == "initializer_range"
        if (is_share or is_small) and not _is_between(value, 0, 1):
            raise _refusal(folder, name, value)
    for name in _ACTIVATIONS:
        if getattr(config, name, "gelu") not in ACT2FN:
            raise _refusal(folder, name, getattr(config, name))
    if getattr(config, "feat_extract_norm", "layer") not in ("group", "layer"):
        raise _refusal(folder, "feat_extract_norm", config.feat_extract_norm)


def _check_work(folder: Path, config: Any) -> None:
    """Check the time and memory that clips would take, which grow with other numbers than the weights."""
    n_frames = SINGLE_PASS_MAX_S * SAMPLE_RATE_HZ / samples_per_frame(config)
    if config.num_attention_heads * n_frames**2 > MAX_ATTENTION_SCORES:
        raise ModelError(
            f"{folder} cannot be loaded: num_attention_heads in its config.json ({config.num_attention_heads}) would "
            f"take far too much memory with so many frames a second"
        )
    n_per_s = multiplications_per_s(config)
    if n_per_s > MAX_MULTIPLICATIONS_PER_S:
        raise ModelError(
            f"{folder} cannot be loaded: the network in its config.json would take {n_per_s:.1e} multiplications for a "
            f"second of audio; at most {MAX_MULTIPLICATIONS_PER_S:.0e} are supported"
        )


def n_stored(folder: Path) -> int:
    """How many numbers the weights of a folder hold, from the headers of their files."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in filter(Path.is_file, weight_files(folder)):  # a pipe would never end
        try:
            with safe_open(path, framework="numpy") as weights:
                total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or was cut short ({error}); copy it again") from error
    return total


def _is_count(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest


def _is_between(value: object, lowest: float, highest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest


def _refusal(folder: Path, name: str, value: object) -> ModelError:
    return ModelError(f"{folder} cannot be loaded: {name} in its config.json cannot be {brief(repr(value))}")
