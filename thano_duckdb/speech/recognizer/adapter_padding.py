"""Makes the downsampling adapter of wav2vec2-BERT independent of the padding in a batch.

Its convolutions mix neighbouring rows and halve their number. Hugging Face's masks exclude padded rows from its
attention, but not from the convolutions.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, arange, nn

from .log_mel import ADAPTER_STRIDE
from .thread_values import assigned

_n_rows: ContextVar[Tensor | None] = ContextVar("rows of each clip", default=None)
"""Of the batch that this thread computes, (batch,); None if nothing is padded."""


class AdapterPadding:
    """Zeroes what is padded before each convolution of an adapter."""

    def __init__(self, network: Any) -> None:
        """Change `network` in place; nothing happens to one without an adapter."""
        adapter = getattr(network.base_model, "adapter", None)
        for level, layer in enumerate(adapter.layers if adapter is not None else ()):
            for convolution in (layer.residual_conv, layer.self_attn_conv):
                convolution.register_forward_pre_hook(functools.partial(_zero_padded_rows, level))

    def for_batch(self, n_rows: Tensor | None) -> AbstractContextManager[None]:
        """Run the network on one batch within this context, on this thread.

        Args:
            n_rows: the rows of each clip, (batch,); None if nothing is padded.
        """
        return assigned(_n_rows, n_rows)


def _zero_padded_rows(level: int, _module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    n_rows = _n_rows.get()
    if n_rows is None:
        return None
    (hidden,) = args  # (batch, channels, rows)
    n_rows = (n_rows - 1) // ADAPTER_STRIDE**level + 1
    return (hidden * (arange(hidden.shape[2], device=hidden.device) < n_rows[:, None])[:, None],)
