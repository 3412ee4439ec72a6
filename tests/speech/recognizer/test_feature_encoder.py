"""Our feature encoder, which reads a batch as one stream, agrees with Hugging Face's on each clip alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.speech.oracles import HuggingFace
from thano_duckdb.errors import ModelError
from thano_duckdb.speech.recognizer import feature_encoder
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.clip_stream import ClipStream
from thano_duckdb.speech.recognizer.feature_encoder import FeatureEncoder, reading
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.windows import FrameGrid

GRID = FrameGrid(receptive_field=400, stride=320)


@given(lengths=st.lists(st.integers(400, 5000), min_size=1, max_size=8))
def test_no_frame_of_a_clip_overlaps_another_clip(lengths: list[int]) -> None:
    batch = [Features(np.full(length, number + 1, np.float32), None) for number, length in enumerate(lengths)]
    stream = ClipStream.of(batch, GRID)
    receptive_fields = stream.samples[0].unfold(0, GRID.receptive_field, GRID.stride)  # (stream frames, samples)
    assert len(receptive_fields) == stream.n_stream_frames
    rows, mask = stream.rows, stream.frame_mask
    for number, length in enumerate(lengths):
        n_frames = GRID.n_frames(length)
        assert (receptive_fields[rows[number, :n_frames]] == number + 1).all()
        assert mask is None or mask[number].tolist() == [True] * n_frames + [False] * (rows.shape[1] - n_frames)
    assert stream.n_stream_frames < sum(map(GRID.n_frames, lengths)) + len(lengths)


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer", "hubert-group"])
@pytest.mark.parametrize("tile_bytes", [1, 4096, 1 << 30], ids=["one frame per tile", "many tiles", "one tile"])
def test_tiles_of_any_size_give_the_frames_of_each_clip_alone(
    random_model: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    noises: Sequence[np.ndarray],
    name: str,
    tile_bytes: int,
) -> None:
    monkeypatch.setattr(feature_encoder, "CPU_TILE_BYTES", tile_bytes)
    model, plain = AcousticModel.load(random_model(name), device="cpu"), HuggingFace.load(random_model(name))
    clips = [model.features(clip) for clip in noises]
    frames = _frames(model, clips)
    for clip, row in zip(clips, frames, strict=True):
        with torch.inference_mode():
            alone = plain.network.base_model.feature_extractor(torch.from_numpy(clip.samples)[None])[0]
        scale = alone.abs().max().item()
        torch.testing.assert_close(row[:, : alone.shape[1]], alone, rtol=1e-4, atol=1e-5 * scale)


def _frames(model: AcousticModel, clips: Sequence[Features]) -> torch.Tensor:
    stream = ClipStream.of(clips, model.grid)
    encoder: Any = model.network.base_model.feature_extractor
    with torch.inference_mode(), model._invariance.for_batch(stream.moments, None), reading(stream):
        frames: torch.Tensor = encoder(stream.samples)
    return frames


@pytest.mark.parametrize(
    "change", [{"padding": (1,)}, {"dilation": (2,)}, {"groups": 2}], ids=["padded", "dilated", "grouped"]
)
def test_unsupported_convolutions_are_refused(loaded_network: Any, change: dict[str, Any]) -> None:
    encoder = loaded_network.base_model.feature_extractor
    for name, value in change.items():
        setattr(encoder.conv_layers[1].conv, name, value)
    with pytest.raises(ModelError, match="is not supported"):
        FeatureEncoder(encoder, GRID)


@pytest.fixture
def loaded_network(random_model: Callable[[str], Path]) -> Any:
    return HuggingFace.load(random_model("wav2vec2-layer")).network
