"""Features agree with Hugging Face's extractor and with torch's statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from thano_duckdb.speech.recognizer import features
from thano_duckdb.speech.recognizer.features import FirstConvolution, moments, standardize
from thano_duckdb.speech.recognizer.padding_invariance import channel_statistics


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks per clip."""
    monkeypatch.setattr(features, "BLOCK", 1_000)


def test_standardised_samples_equal_those_of_hugging_face(noises: list[NDArray[np.float32]]) -> None:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    silence = np.zeros(5_000, np.float32)
    for clip in [*noises, silence]:
        expected = extractor(clip, sampling_rate=16_000, return_tensors="np").input_values[0]
        np.testing.assert_allclose(standardize(clip), expected, rtol=1e-5, atol=2e-6)


def test_standardising_does_not_change_the_original_samples(noises: list[NDArray[np.float32]]) -> None:
    clip = noises[0].copy()
    clip.flags.writeable = False
    standardize(clip)
    np.testing.assert_array_equal(clip, noises[0])


@pytest.mark.parametrize("bias", [True, False])
def test_moments_give_the_statistics_of_every_channel(noises: list[NDArray[np.float32]], bias: bool) -> None:
    torch.manual_seed(3)
    conv = torch.nn.Conv1d(1, 16, kernel_size=10, stride=5, bias=bias)
    with torch.no_grad():
        conv.weight[0] = torch.tensor([1.0, -1.0] * 5)  # a filter for the frequencies that the clips have least of
        slow = np.sin(np.arange(20_000) / 900).astype(np.float32)
        for clip in [*noises, slow]:
            activations = conv.double()(torch.from_numpy(clip).double()[None, None])[0]  # (channels, frames)
            mean, variance = channel_statistics(conv.float(), [moments(clip, FirstConvolution(10, 5))])
            torch.testing.assert_close(mean[0].double(), activations.mean(-1), rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(variance[0].double(), activations.var(-1, correction=0), rtol=1e-4, atol=1e-12)


def test_statistics_are_differentiable_in_the_weight(noises: list[NDArray[np.float32]]) -> None:
    conv = torch.nn.Conv1d(1, 3, kernel_size=10, stride=5)
    _mean, variance = channel_statistics(conv, [moments(noises[1], FirstConvolution(10, 5))])
    variance.sum().backward()
    assert conv.weight.grad is not None
    by_moments = conv.weight.grad.clone()
    conv.weight.grad = None
    conv(torch.from_numpy(noises[1])[None, None]).var(-1, correction=0).sum().backward()
    torch.testing.assert_close(by_moments, conv.weight.grad, rtol=1e-4, atol=1e-6)
