"""Makes the encoders of SEW and SEW-D treat each clip of a padded batch as if it were alone.

These encoders pool every `squeeze` frames into one, attend over the pooled frames, and spread them out again. Of a clip
alone, frames at the end that do not fill a pooled frame are dropped, and their outputs are zeros. In a padded batch
Hugging Face's code keeps that last pooled frame, and attends to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class SqueezedFrames:
    """The masks of one encoder, set by hooks; no parameter or its name changes."""

    def __init__(self, encoder: Any, frame_mask: Callable[[], Tensor | None]) -> None:
        """Change `encoder` in place.

        Args:
            encoder: the encoder of a SEW or SEW-D network.
            frame_mask: gives the mask of the current batch: (batch, frames) bool; None if nothing is padded.
        """
        self._squeeze: int = encoder.config.squeeze_factor
        self._frame_mask = frame_mask
        encoder.register_forward_pre_hook(self._zero_padded_frames, with_kwargs=True)
        encoder.register_forward_hook(self._zero_dropped_frames)
        for layer in encoder.encoder.layer if hasattr(encoder, "encoder") else encoder.layers:
            layer.register_forward_pre_hook(self._attend_to_pooled_frames, with_kwargs=True)

    @staticmethod
    def is_in(module: nn.Module) -> bool:
        """Whether a module is such an encoder."""
        return hasattr(module, "pool") and hasattr(module, "upsample")

    def _zero_padded_frames(
        self, _encoder: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        mask = self._frame_mask()
        if mask is None:
            return None
        hidden, *others = args  # (batch, frames, channels)
        return (hidden * mask[:, :, None], *others), kwargs | {"attention_mask": None}

    def _attend_to_pooled_frames(
        self, _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        mask = self._frame_mask()
        if mask is None:
            return None
        # A clip of less than one pooled frame keeps one, whose output is dropped, because softmax over none is NaN.
        pooled = self._whole(mask)[:, :: self._squeeze][:, : args[0].shape[1]].clone()
        pooled[:, 0] = True
        pooled = pooled[:, None, None, :]  # (batch, heads, queries, keys)
        if "attention_mask" in kwargs:
            return args, kwargs | {"attention_mask": pooled}
        return (args[0], pooled, *args[2:]), kwargs

    def _zero_dropped_frames(self, _encoder: nn.Module, _args: Any, output: Any) -> Any:
        mask = self._frame_mask()
        if mask is not None:
            output.last_hidden_state = output.last_hidden_state.masked_fill(~self._whole(mask)[:, :, None], 0)
        return output

    def _whole(self, mask: Tensor) -> Tensor:
        """The frames of each clip that fill pooled frames, (batch, frames) bool."""
        n_frames = mask.sum(1, keepdim=True)
        return mask & (mask.cumsum(1) <= n_frames - n_frames % self._squeeze)
