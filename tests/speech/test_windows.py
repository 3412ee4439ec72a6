"""The windows of a clip join to exactly its frames, for any feature encoder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.windows import (
    CONTEXT_S,
    PAUSE_SEARCH_S,
    SAMPLE_RATE_HZ,
    SINGLE_PASS_MAX_S,
    WINDOW_MAX_S,
    FrameGrid,
    Window,
    is_long,
    plan_windows,
    whole_clip,
)

stacks = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 5)), min_size=1, max_size=7).filter(
    lambda layers: FrameGrid.of_convolutions(*zip(*layers, strict=True)).stride <= 2_000
)
WAV2VEC2 = ((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))


def conv_lengths(n_samples: int, layers: list[tuple[int, int]]) -> int:
    """The formula of torch's Conv1d, layer by layer."""
    for kernel, stride in layers:
        if n_samples < kernel:
            return 0
        n_samples = (n_samples - kernel) // stride + 1
    return n_samples


def test_the_frames_of_wav2vec2_are_25_ms_long_and_20_ms_apart() -> None:
    assert FrameGrid.of_convolutions(*WAV2VEC2) == FrameGrid(receptive_field=400, stride=320)


@given(stacks, st.integers(1, 3_000_000))
def test_the_grid_counts_frames_as_the_convolutions_do(layers: list[tuple[int, int]], n_samples: int) -> None:
    grid = FrameGrid.of_convolutions(*zip(*layers, strict=True))
    assert grid.n_frames(n_samples) == conv_lengths(n_samples, layers)


def in_the_middle(start: int, stop: int) -> int:
    return (start + stop) // 2


def windows_of(n_samples: int, grid: FrameGrid) -> list[Window]:
    """The windows of a clip without pauses."""
    return plan_windows([slice(0, n_samples)], grid, in_the_middle)


@given(
    stacks,
    st.lists(st.tuples(st.integers(0, 90 * SAMPLE_RATE_HZ), st.integers(1, 120 * SAMPLE_RATE_HZ)), min_size=1),
    st.sampled_from([in_the_middle, min, max]),
)
def test_the_cores_cover_every_frame_of_the_parts_once_and_in_order(
    layers: list[tuple[int, int]], lengths: list[tuple[int, int]], quietest: Callable[[int, int], int]
) -> None:
    grid = FrameGrid.of_convolutions(*zip(*layers, strict=True))
    parts, end = [], 0
    for n_skipped, n_kept in lengths:
        parts.append(slice(end + n_skipped, end + n_skipped + n_kept + grid.receptive_field + grid.stride))
        end = parts[-1].stop
    kept: list[int] = []
    for window in plan_windows(parts, grid, quietest):
        assert window.start % grid.stride == 0
        assert any(part.start <= window.start < window.stop <= part.stop for part in parts)
        assert 0 <= window.core_start < window.core_stop <= conv_lengths(window.stop - window.start, layers)
        first = window.start // grid.stride
        kept.extend(range(first + window.core_start, first + window.core_stop))
    frames = [range(-(-part.start // grid.stride), conv_lengths(part.stop, layers)) for part in parts]
    assert kept == [frame for of_part in frames for frame in of_part]


@given(
    st.integers(int(SINGLE_PASS_MAX_S * SAMPLE_RATE_HZ) + 1, 4_000 * SAMPLE_RATE_HZ),
    st.sampled_from([in_the_middle, min, max]),
)
def test_windows_of_long_clips_are_short_and_have_context_on_both_sides(
    n_samples: int, quietest: Callable[[int, int], int]
) -> None:
    grid = FrameGrid.of_convolutions(*WAV2VEC2)
    windows = plan_windows([slice(0, n_samples)], grid, quietest)
    context = round(CONTEXT_S / grid.frame_s)
    for number, window in enumerate(windows):
        assert (window.stop - window.start) / SAMPLE_RATE_HZ <= WINDOW_MAX_S + grid.receptive_field / SAMPLE_RATE_HZ
        n_frames = grid.n_frames(window.stop - window.start)
        assert window.core_start == (0 if number == 0 else context)
        assert n_frames - window.core_stop == (0 if number == len(windows) - 1 else context)
    cores = [window.core_stop - window.core_start for window in windows]
    assert max(cores) - min(cores) <= (1 if quietest is in_the_middle else 1 + 2 * PAUSE_SEARCH_S / grid.frame_s)


def test_windows_meet_in_the_pauses() -> None:
    grid = FrameGrid.of_convolutions(*WAV2VEC2)
    asked: list[tuple[int, int]] = []

    def pause(start: int, stop: int) -> int:
        asked.append((start, stop))
        return start + 12_345

    windows = plan_windows([slice(0, 100 * SAMPLE_RATE_HZ)], grid, pause)
    assert len(asked) == len(windows) - 1
    for (start, stop), window in zip(asked, windows, strict=False):
        assert stop - start == 2 * PAUSE_SEARCH_S * SAMPLE_RATE_HZ
        assert window.start // grid.stride + window.core_stop == (start + 12_345) // grid.stride


def test_a_clip_of_forty_seconds_is_one_window() -> None:
    grid = FrameGrid.of_convolutions(*WAV2VEC2)
    forty_s = int(SINGLE_PASS_MAX_S * SAMPLE_RATE_HZ)
    assert not is_long(forty_s)
    assert whole_clip(forty_s, grid) == Window(0, forty_s, 0, 1_999)
    assert is_long(forty_s + 1)
    assert len(windows_of(forty_s + 1, grid)) == 2


@pytest.mark.parametrize(("kernels", "strides"), [WAV2VEC2, ((20, 8, 4, 4, 3), (10, 4, 4, 2, 1)), ((3, 2), (7, 5))])
def test_joined_frames_of_windows_equal_those_of_the_whole_clip(
    kernels: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    grid = FrameGrid.of_convolutions(kernels, strides)
    torch.manual_seed(0)
    layers = [torch.nn.Conv1d(1, 1, kernel, step) for kernel, step in zip(kernels, strides, strict=True)]
    encoder = torch.nn.Sequential(*layers).double()
    clip = torch.randn(1, 1, 45 * SAMPLE_RATE_HZ + 123, dtype=torch.float64)
    with torch.no_grad():
        whole = encoder(clip)
        joined = [
            encoder(clip[..., window.start : window.stop])[..., window.core_start : window.core_stop]
            for window in windows_of(clip.shape[-1], grid)
        ]
    assert len(joined) > 1
    torch.testing.assert_close(torch.cat(joined, dim=-1), whole)
