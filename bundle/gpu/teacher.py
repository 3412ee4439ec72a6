"""The teacher: the encoder of Whisper base (MIT licence), whose output the small model learns to foretell.

A. Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, arXiv:2212.04356. Its weights are
read from a file of CTranslate2, and nothing of them goes into the small model.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

SIZE, N_LAYERS, N_HEADS = 512, 6, 8
FRAMES_PER_S = 50
INPUT_S, RATE_HZ, HOP, WINDOW = 30, 16_000, 160, 400
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(content: bytes) -> dict[str, NDArray[np.generic]]:
    """The variables of a `model.bin`: for each its name, rank, dimensions, type, size in bytes, and content."""
    at = 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from(f"<{form}", content, at)
        at += struct.calcsize(f"<{form}")
        return values

    def text() -> str:
        nonlocal at
        (length,) = take("H")
        at += length
        return content[at - length : at - 1].decode()

    take("I")
    text()
    _, n_variables = take("II")
    variables = {}
    for _ in range(n_variables):
        name = text()
        (rank,) = take("B")
        shape = take(f"{rank}I")
        kind, n_bytes = take("BI")
        variables[name] = np.frombuffer(content, _TYPES[kind], n_bytes // np.dtype(_TYPES[kind]).itemsize, at).reshape(
            shape
        )
        at += n_bytes
    return variables


def encoder_weights(variables: dict[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """The weights under the names that transformers gives them."""
    found: dict[str, Tensor] = {}

    def put(name: str, *path: str) -> None:
        for ours, theirs in (("weight", "weight"), ("bias", "bias"), ("weight", "gamma"), ("bias", "beta")):
            if (array := variables.get("/".join(("encoder", *path, theirs)))) is not None:
                found[f"{name}.{ours}"] = torch.from_numpy(array.astype(np.float32))

    put("conv1", "conv1")
    put("conv2", "conv2")
    put("layer_norm", "layer_norm")
    found["embed_positions.weight"] = torch.from_numpy(
        variables["encoder/position_encodings/encodings"].astype(np.float32)
    )
    for layer in range(N_LAYERS):
        ours, theirs = f"layers.{layer}", f"layer_{layer}"
        put(f"{ours}.fc1", theirs, "ffn", "linear_0")
        put(f"{ours}.fc2", theirs, "ffn", "linear_1")
        put(f"{ours}.final_layer_norm", theirs, "ffn", "layer_norm")
        put(f"{ours}.self_attn_layer_norm", theirs, "self_attention", "layer_norm")
        put(f"{ours}.self_attn.out_proj", theirs, "self_attention", "linear_1")
        joined = variables[f"encoder/{theirs}/self_attention/linear_0/weight"].astype(np.float32)
        biases = variables[f"encoder/{theirs}/self_attention/linear_0/bias"].astype(np.float32)
        for name, weight, bias in zip("qkv", np.split(joined, 3), np.split(biases, 3), strict=True):
            found[f"{ours}.self_attn.{name}_proj.weight"] = torch.from_numpy(weight)
            if name != "k":  # which has none
                found[f"{ours}.self_attn.{name}_proj.bias"] = torch.from_numpy(bias)
    return found


def write_teacher(model: Path, out: Path) -> None:
    """Write the encoder with matrices in bytes, each row with a scale of its own, and the mel filters."""
    stored: dict[str, Tensor] = {}
    for name, weight in encoder_weights(read_ctranslate2(model.read_bytes())).items():
        if weight.dim() == 2 and not name.startswith("embed"):
            scale = weight.abs().amax(1, keepdim=True) / 127
            stored[name] = (weight / scale).round().to(torch.int8)
            stored[f"{name}.scale"] = scale
        else:
            stored[name] = weight.half().contiguous()
    extractor: Any = WhisperFeatureExtractor
    stored["mel_filters"] = torch.from_numpy(extractor(feature_size=80).mel_filters).float()
    save_file(stored, out)


class Teacher:
    """The encoder, on a device."""

    def __init__(self, path: Path, device: str) -> None:
        """Load what `write_teacher` wrote."""
        stored = load_file(path)
        self._filters = stored.pop("mel_filters").to(device)  # (frequencies, mels)
        weights = {
            name: weight.float() * stored[f"{name}.scale"] if weight.dtype == torch.int8 else weight.float()
            for name, weight in stored.items()
            if not name.endswith(".scale")
        }
        config = WhisperConfig(
            d_model=SIZE,
            encoder_layers=N_LAYERS,
            encoder_attention_heads=N_HEADS,
            encoder_ffn_dim=4 * SIZE,
            num_mel_bins=80,
        )
        config._attn_implementation = "sdpa"
        self._encoder = WhisperEncoder(config)
        self._encoder.load_state_dict(weights)
        self._encoder.train(False).to(device, torch.bfloat16 if "cuda" in device else torch.float32)
        self._window = torch.hann_window(WINDOW, device=device)

    @torch.inference_mode()
    def states(self, clips: list[Tensor]) -> list[Tensor]:
        """The last states, (n_frames, 512) float16 at 50 per second, of clips (n_samples,) of int16."""
        audio = torch.zeros(len(clips), INPUT_S * RATE_HZ, device=self._window.device)
        for row, clip in zip(audio, clips, strict=True):
            row[: len(clip)] = clip / 32768
        spectrum = torch.stft(audio, WINDOW, HOP, window=self._window, return_complex=True)[..., :-1].abs() ** 2
        mels = (self._filters.T @ spectrum).clamp(min=1e-10).log10()
        mels = torch.maximum(mels, mels.amax((1, 2), keepdim=True) - 8) / 4 + 1
        found = self._encoder(mels.to(self._encoder.dtype)).last_hidden_state.half()
        return [states[: -(-len(clip) * FRAMES_PER_S // RATE_HZ)] for states, clip in zip(found, clips, strict=True)]
