"""Matrix products by oneDNN, with weights that are packed once, for CPUs of the x86 family.

torch computes float32 products by Intel's MKL, which does not use AVX512 on AMD's processors: one core of an AMD EPYC
that has it computed 110 GFLOP/s, and 250 by oneDNN. Packed weights save their reordering in every pass, and the
activation of a feed-forward layer is computed while its results are in the cache. Without AVX512, MKL is faster: one
core of an older AMD EPYC computed 91 GFLOP/s, and 74 by oneDNN, which then cannot pack bfloat16 either.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from thano_duckdb.speech import processor
from thano_duckdb.speech.device import Device

from .feature_encoder import Convolution, Product
from .language_adapter import HEAD

N_ROWS = 1024
"""For so many rows the layout of the weights is chosen: the frames of a typical batch."""
MIN_FEATURES = 64
"""In smaller products the call costs more than it saves."""
_PRECISIONS = (torch.float32, torch.bfloat16)
_ADAPTER = "adapter_layer"


class PackedProduct(Product):
    """Replaces a `Product` on a CPU, for inference only."""

    def __init__(self, weight: Tensor) -> None:
        """Pack `weight`, (inputs, outputs)."""
        super().__init__(weight)
        self.weight = _packed(weight.detach().T)

    def forward(self, rows: Tensor, onto: Tensor | None) -> Tensor:
        """See `Product`."""
        operation = torch.ops.mkldnn._linear_pointwise
        if onto is None or onto.ndim == 1:
            result: Tensor = operation(rows, self.weight, onto, "none", [], "")
            return result
        total: Tensor = operation.binary(rows, onto, self.weight, None, "add")
        return total


class PackedLinear(nn.Module):
    """Replaces an `nn.Linear` on a CPU, for inference only, and optionally the GELU after it."""

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        self._weight = _packed(linear.weight.detach())
        self._bias: Tensor | None = None if linear.bias is None else linear.bias.detach()
        self._activation = ("gelu", "none") if gelu else ("none", "")

    def forward(self, hidden: Tensor) -> Tensor:
        """(.., inputs) to (.., outputs)."""
        kind, algorithm = self._activation
        result: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self._weight, self._bias, kind, [], algorithm)
        return result


def can_pack_products() -> bool:
    """Whether products can be computed so on the processor."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return is_x86 and has_onednn


def packs_products(device: Device) -> bool:
    """Whether the products of a network are faster so on a device, in its precision."""
    is_faster = device.dtype in _PRECISIONS and processor.has_avx512()
    return device.torch_device.type == "cpu" and is_faster and can_pack_products()


def pack_products(network: nn.Module) -> None:
    """Replace the large products of a network, whose feature encoder is our `FeatureEncoder`, by packed ones.

    The layers that differ between languages stay: they are exchanged.
    """
    for name, parent in list(network.named_modules()):
        if isinstance(parent, Convolution) and parent.n_inputs >= MIN_FEATURES:
            parent.products = nn.ModuleList(
                PackedProduct(product.weight) if type(product) is Product else product for product in parent.products
            )
        if _ADAPTER in name or hasattr(parent, "torch_multi_head_self_attention"):
            continue  # WavLM's attention uses the weights of its linear layers directly
        fuses_gelu = isinstance(getattr(parent, "intermediate_act_fn", None), GELUActivation | nn.GELU)
        for child_name, child in list(parent.named_children()):
            is_large = type(child) is nn.Linear and min(child.weight.shape) >= MIN_FEATURES
            if not is_large or child_name == HEAD or _ADAPTER in child_name:
                continue
            gelu = fuses_gelu and child_name == "intermediate_dense"
            setattr(parent, child_name, PackedLinear(child, gelu=gelu))
            if gelu:
                parent.intermediate_act_fn = nn.Identity()


def _packed(weight: Tensor) -> Tensor:
    """The weight of a linear layer, (outputs, inputs), in the layout that oneDNN prefers."""
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), N_ROWS)
    return packed
