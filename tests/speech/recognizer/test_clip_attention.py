"""Attention clip by clip is torch's own attention with a mask, for clips of any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech import processor
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.recognizer import acoustic_model, clip_attention
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.packed_products import can_pack_products

pytestmark = pytest.mark.skipif(not can_pack_products(), reason="torch has no oneDNN on this processor")


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@given(n_frames=st.lists(st.integers(1, 300), min_size=1, max_size=3), n_heads=st.sampled_from([1, 3]))
def test_equals_attention_with_a_mask(dtype: torch.dtype, tolerance: float, n_frames: list[int], n_heads: int) -> None:
    torch.manual_seed(sum(n_frames))
    longest = max(n_frames)
    query, key, value = (torch.randn(len(n_frames), longest, n_heads, 16).to(dtype).transpose(1, 2) for _ in range(3))
    mask = (torch.arange(longest) < torch.tensor(n_frames)[:, None])[:, None, None]
    with torch.inference_mode(), clip_attention.attending_to(n_frames):
        found, _ = clip_attention.clip_attention(nn.Identity(), query, key, value, None, scaling=0.25)
        expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.25)
    for clip, count in enumerate(n_frames):
        torch.testing.assert_close(
            found[clip, :count], expected[clip, :, :count].transpose(0, 1), atol=tolerance, rtol=tolerance
        )
    assert found.isfinite().all()  # of the padding too


def test_few_heads_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = (torch.randn(1, 5, 20, 8).bfloat16() for _ in range(3))

    def attended() -> torch.Tensor:
        with torch.inference_mode(), clip_attention.attending_to([20]):
            return clip_attention.clip_attention(nn.Identity(), query, key, value, None, scaling=0.3)[0]

    at_once = attended()
    monkeypatch.setattr(clip_attention, "MAX_SCORES", 2 * 20**2)
    torch.testing.assert_close(attended(), at_once)


@pytest.mark.parametrize(
    "precision",
    [
        "float32",
        pytest.param("bfloat16", marks=pytest.mark.skipif(not processor.has_avx512(), reason="it needs AVX512")),
    ],
)
def test_scores_of_a_network_are_those_with_the_attention_of_torch(
    random_model: Callable[[str], Path], noises: Sequence[np.ndarray], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(clip_attention, "MIN_FRAMES", 1)
    monkeypatch.setattr(processor, "has_amx", lambda: False)
    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    folder = random_model("wav2vec2-layer")
    ours = AcousticModel.load(folder, device="cpu", precision=precision)
    assert ours.network.config._attn_implementation == clip_attention.NAME
    monkeypatch.setattr(acoustic_model, "use_clip_attention", lambda *_: False)
    torchs = AcousticModel.load(folder, device="cpu", precision=precision)
    assert torchs.network.config._attn_implementation == "sdpa"
    clips = [ours.features(clip) for clip in noises]
    scores = [model.forward(clips, SilentMonitor(), labels_per_frame=None) for model in (ours, torchs)]
    for found, expected in zip(*scores, strict=True):
        np.testing.assert_allclose(
            probabilities(found), probabilities(expected), atol=1e-4 if precision == "float32" else 0.25
        )


def probabilities(scores: FrameScores) -> np.ndarray:
    """Of each frame, in the order of the labels."""
    return np.exp(np.take_along_axis(scores.log_probs, np.argsort(scores.ids, axis=1), 1))
