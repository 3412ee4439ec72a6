"""Whether `config.json` describes a network that this machine may build: a few digits there can ask for terabytes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.checkpoint import weight_files

MAX_CONVOLUTIONS = 32
_LARGEST = {
    "vocab_size": 1_000_000,
    "num_hidden_layers": 1_000,
    "hidden_size": 65_536,
    "intermediate_size": 1_000_000,
    "num_attention_heads": 65_536,
    "num_conv_pos_embeddings": 65_536,
    "num_conv_pos_embedding_groups": 65_536,
    "conv_pos_kernel_size": 65_536,
    "num_feat_extract_layers": MAX_CONVOLUTIONS,
    "num_codevector_groups": 1_000,
    "num_codevectors_per_group": 1_000_000,
    "codevector_dim": 65_536,
    "proj_codevector_dim": 65_536,
    "classifier_proj_size": 65_536,
    "num_buckets": 1_000_000,
    "max_bucket_distance": 1_000_000,
}
_LARGEST_CONVOLUTION = {"conv_dim": 65_536, "conv_kernel": 10_000, "conv_stride": 10_000}
_TOLERANCE = 1.5
_MIN_PARAMETERS = 10_000_000  # below that any network is built at once


def check_network_size(folder: Path, config: Any) -> None:
    """Check the numbers of transformers' configuration, and that it describes no more than the weights hold.

    Raises:
        ModelError: a number is none, or out of all proportion.
    """
    for name, largest in _LARGEST.items():
        value = getattr(config, name, None)
        if value is not None and not _is_count(value, largest):
            raise _refusal(folder, name, value)
    lengths = set()
    for name, largest in _LARGEST_CONVOLUTION.items():
        values: Any = getattr(config, name, None)
        is_list = isinstance(values, list | tuple) and 0 < len(values) <= MAX_CONVOLUTIONS
        if not (is_list and all(value and _is_count(value, largest) for value in values)):
            raise _refusal(folder, name, values)
        lengths.add(len(values))
    if len(lengths) > 1 or math.prod(config.conv_stride) > 16_000:
        raise ModelError(f"{folder} cannot be loaded: the convolutions in its config.json do not fit together")
    if not weight_files(folder):  # then it is not loaded either
        return
    described = _n_described(config)
    if described > _MIN_PARAMETERS and described > _TOLERANCE * (stored := n_stored(folder)):
        raise ModelError(
            f"{folder} cannot be loaded: its config.json describes {described:,} weights, and its files hold {stored:,}"
        )


def n_stored(folder: Path) -> int:
    """How many numbers the weights of a folder hold, from the headers of their files."""
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="numpy") as weights:
                total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged or was cut short ({error}); copy it again") from error
    return total


def _n_described(config: Any) -> int:
    """Weights of the network at least: those of its transformer's layers and of its convolutions."""

    def number(name: str) -> int:
        return int(getattr(config, name, None) or 0)

    hidden = number("hidden_size")
    layers = number("num_hidden_layers") * hidden * (4 * hidden + 2 * number("intermediate_size"))
    channels = pairwise((1, *config.conv_dim))
    convolutions: int = sum(
        before * after * kernel for (before, after), kernel in zip(channels, config.conv_kernel, strict=True)
    )
    positions = hidden * hidden // (number("num_conv_pos_embedding_groups") or 1) * number("num_conv_pos_embeddings")
    return layers + convolutions + positions + hidden * number("vocab_size")


def _is_count(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _refusal(folder: Path, name: str, value: object) -> ModelError:
    return ModelError(f"{folder} cannot be loaded: {name} in its config.json cannot be {brief(repr(value))}")
