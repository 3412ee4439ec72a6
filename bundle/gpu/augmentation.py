"""Disturb a batch of clips on the GPU: rooms, bands, noise, other speakers, levels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATE_HZ = 16_000


def uniform(low: float, high: float, size: int, device: torch.device) -> Tensor:
    """(size, 1)."""
    return torch.empty(size, 1, device=device).uniform_(low, high)


def chosen(share: float, size: int, device: torch.device) -> Tensor:
    """(size, 1) of truth values, each true with the probability `share`."""
    return torch.rand(size, 1, device=device) < share


def disturb(audio: Tensor, inside: Tensor, strength: float = 1.0) -> Tensor:
    """Disturbed copies of clips of the same shape.

    Args:
        audio: (batch, n_samples) float32.
        inside: of the same shape; true within a clip.
        strength: how often each disturbance happens; at 1 most clips have several.
    """
    batch, device = len(audio), audio.device
    audio = _level(audio) * inside
    audio = torch.where(chosen(0.2 * strength, batch, device), audio * _swell(audio.shape, device), audio)
    audio = _filter(audio, _room(audio, 0.35 * strength), torch.ones(1, 1, device=device))
    ratio = 10 ** (-uniform(3, 25, batch, device) / 20)
    others = _level(audio.roll(1, 0))
    audio = audio + torch.where(chosen(0.1 * strength, batch, device), others * ratio * 0.5, 0.0)
    noise = _noise(audio) * 10 ** (-uniform(0, 30, batch, device) / 20)
    audio = _level(audio) + torch.where(chosen(0.6 * strength, batch, device), noise, 1e-3 * noise)
    audio = _filter(audio, None, _bands(audio, strength))
    ceiling = audio.abs().amax(1, keepdim=True) * uniform(0.15, 0.6, batch, device)
    audio = torch.where(chosen(0.08 * strength, batch, device), audio.clamp(-ceiling, ceiling), audio)
    return audio * inside


def _level(audio: Tensor) -> Tensor:
    """With a root mean square of 1."""
    return audio / (audio.square().mean(1, keepdim=True).sqrt() + 1e-5)


def _swell(shape: torch.Size, device: torch.device) -> Tensor:
    """A gain that wanders by up to 12 dB."""
    knots = torch.empty(shape[0], 1, max(2, shape[1] // (2 * RATE_HZ)), device=device).uniform_(-12, 12)
    return 10 ** (torch.nn.functional.interpolate(knots, shape[1], mode="linear").squeeze(1) / 20)


def _room(audio: Tensor, share: float) -> Tensor:
    """Impulse responses (batch, 9600): the direct sound and an exponentially decaying noise after it."""
    batch, device = len(audio), audio.device
    seconds = torch.arange(9_600, device=device) / RATE_HZ
    decay = torch.exp(-6.9 * seconds / uniform(0.1, 0.7, batch, device))
    response = torch.randn(batch, len(seconds), device=device) * decay * (seconds > 0.002)
    response = response / response.square().sum(1, keepdim=True).sqrt() * 10 ** (uniform(-15, 0, batch, device) / 20)
    response = torch.where(chosen(share, batch, device), response, 0.0)
    response[:, 0] = 1
    return response


def _noise(audio: Tensor) -> Tensor:
    """White to brown noise, with a root mean square of 1."""
    n_samples = audio.shape[1]
    spectrum = torch.fft.rfft(torch.randn_like(audio))
    hz = torch.fft.rfftfreq(n_samples, 1 / RATE_HZ, device=audio.device) + 20
    return _level(torch.fft.irfft(spectrum * hz ** -uniform(0, 1.2, len(audio), audio.device), n_samples))


def _bands(audio: Tensor, strength: float) -> Tensor:
    """Gains (batch, frequencies): tone controls, a low pass or a telephone, and bands that are missing."""
    batch, device = len(audio), audio.device
    hz = torch.fft.rfftfreq(_fft_size(audio.shape[1]), 1 / RATE_HZ, device=device)
    knots = torch.empty(batch, 1, 9, device=device).uniform_(-9, 9)
    tone = 10 ** (torch.nn.functional.interpolate(knots, len(hz), mode="linear", align_corners=True).squeeze(1) / 20)
    gains = torch.where(chosen(0.6 * strength, batch, device), tone, 1.0)
    low = torch.where(chosen(0.3 * strength, batch, device), uniform(2_500, 7_500, batch, device), 9_000.0)
    telephone = chosen(0.15 * strength, batch, device)
    low, high = torch.where(telephone, 3_500.0, low), torch.where(telephone, 280.0, 0.0)
    gains = gains * torch.sigmoid((low - hz) / 60) * torch.where(high > 0, torch.sigmoid((hz - high) / 30), 1.0)
    for _ in range(2):
        start, width = uniform(0, 6_000, batch, device), uniform(0, 700, batch, device)
        missing = (hz > start) & (hz < start + width) & chosen(0.6 * strength, batch, device)
        gains = torch.where(missing, 0.02, gains)
    return gains


def _fft_size(n_samples: int) -> int:
    """Long enough for the room's echo, and a product of small primes, which is fast."""
    least = n_samples + 9_600
    return min(factor << max(0, math.ceil(math.log2(least / factor))) for factor in (1, 3, 5, 9, 15, 25))


def _filter(audio: Tensor, response: Tensor | None, gains: Tensor) -> Tensor:
    size = _fft_size(audio.shape[1])
    spectrum = torch.fft.rfft(audio, size) * gains
    if response is not None:
        spectrum = spectrum * torch.fft.rfft(response, size)
    filtered: Tensor = torch.fft.irfft(spectrum, size)[:, : audio.shape[1]]
    return filtered
