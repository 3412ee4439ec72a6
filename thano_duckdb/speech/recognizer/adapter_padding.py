"""Makes the downsampling adapter of wav2vec2-BERT independent of the padding in a batch.

Its convolutions mix neighbouring rows and halve their number. Hugging Face's masks exclude padded rows from its
attention, but not from the convolutions.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from torch import Tensor, arange, nn

from .log_mel import ADAPTER_STRIDE


class AdapterPadding:
    """Zeroes what is padded before each convolution of an adapter."""

    def __init__(self, network: Any) -> None:
        """Change `network` in place; nothing happens to one without an adapter."""
        self._n_rows: Tensor | None = None
        adapter = getattr(network.base_model, "adapter", None)
        for level, layer in enumerate(adapter.layers if adapter is not None else ()):
            for convolution in (layer.residual_conv, layer.self_attn_conv):
                convolution.register_forward_pre_hook(functools.partial(self._zero_padded_rows, level))

    @contextlib.contextmanager
    def for_batch(self, n_rows: Tensor | None) -> Iterator[None]:
        """Run the network on one batch within this context.

        Args:
            n_rows: the rows of each clip, (batch,); None if nothing is padded.
        """
        self._n_rows = n_rows
        try:
            yield
        finally:
            self._n_rows = None

    def _zero_padded_rows(self, level: int, _module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if self._n_rows is None:
            return None
        (hidden,) = args  # (batch, channels, rows)
        n_rows = (self._n_rows - 1) // ADAPTER_STRIDE**level + 1
        return (hidden * (arange(hidden.shape[2], device=hidden.device) < n_rows[:, None])[:, None],)
