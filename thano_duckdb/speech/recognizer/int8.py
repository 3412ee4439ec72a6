"""Matrix products in 8-bit integers for CPUs, which move less memory and have instructions for four products at once.

Weights are quantised once, symmetrically, with a scale for each output; activations at each call, symmetrically, with a
scale for each row (as in `LLM.int8()`, Dettmers et al. 2022, but without its treatment of outliers). A row is a frame,
so the output for a clip does not depend on the other clips of its batch. Normalisation, attention and the scores stay
in float32.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .feature_encoder import Convolution, Product

MIN_FEATURES = 64
"""In layers with fewer features, quantising costs more than it saves."""
_LARGEST = 127
_SMALLEST_SCALE = 1e-12


class Int8Product(Product):
    """Replaces a `Product` in float32."""

    def __init__(self, weight: Tensor) -> None:
        """Quantise `weight`, (inputs, outputs)."""
        super().__init__(weight)
        columns = weight.T
        scales = _scales(columns)
        self.weight = _quantize(columns, scales).T.contiguous()
        self.weight_scales = scales.T.contiguous()  # (1, outputs)

    def forward(self, rows: Tensor, onto: Tensor | None) -> Tensor:
        """See `Product`."""
        scales = _scales(rows)
        total = torch._int_mm(_quantize(rows, scales), self.weight).float()
        total *= scales
        if onto is None:
            total *= self.weight_scales
            return total
        return torch.addcmul(onto, total, self.weight_scales, out=total)


class Int8Linear(nn.Module):
    """Replaces an `nn.Linear` in float32, for inference only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._product = Int8Product(linear.weight.detach().T)
        self._bias: Tensor | None = linear.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """(.., inputs) to (.., outputs)."""
        total: Tensor = self._product(hidden.flatten(0, -2), self._bias)
        return total.view(*hidden.shape[:-1], -1)


def quantize(network: nn.Module) -> None:
    """Replace the large products of a network, whose feature encoder is our `FeatureEncoder`, by 8-bit ones.

    The first convolution, whose input has the widest range, and the layer that computes the scores stay in float32.
    """
    for parent in list(network.modules()):
        if isinstance(parent, Convolution) and parent.n_inputs >= MIN_FEATURES:
            parent.products = nn.ModuleList(Int8Product(cast(Product, product).weight) for product in parent.products)
        if hasattr(parent, "torch_multi_head_self_attention"):
            continue  # WavLM's attention uses the weights of its linear layers directly
        for name, child in list(parent.named_children()):
            if name != "lm_head" and type(child) is nn.Linear and min(child.weight.shape) >= MIN_FEATURES:
                setattr(parent, name, Int8Linear(child))


def _scales(rows: Tensor) -> Tensor:
    largest = torch.maximum(rows.amax(dim=-1, keepdim=True), -rows.amin(dim=-1, keepdim=True))
    return largest.clamp_min(_SMALLEST_SCALE) / _LARGEST


def _quantize(rows: Tensor, scales: Tensor) -> Tensor:
    return (rows / scales).round_().to(torch.int8)
