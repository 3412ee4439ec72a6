"""PREDICT on a GPU gives the texts of the CPU, whatever the precision, the batches and the threads."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import thano_duckdb
from tests.speech.oracles import MODELS, Clips, HuggingFace
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.device import OutOfMemory
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.features import Features
from thano_duckdb.speech.recognizer.padded_attention import attending, padded_flash_attention
from thano_duckdb.speech.recognizer.recognizer import ClipFailure, PreparedClip

TINY = "Wav2Vec2TinyEn"


def texts(con: thano_duckdb.Connection, options: str) -> list[str]:
    """The texts of all clips, in the order of their paths."""
    rows = con.execute(
        f"SELECT predicted FROM (PREDICT USING {TINY} OPTIONS ({options}) AS FROM clips) ORDER BY audio_path"
    ).fetchall()
    return [row[0] for row in rows]


def n_different(found: list[str], expected: list[str]) -> int:
    """How many texts differ."""
    return sum(map(str.__ne__, found, expected))


@pytest.mark.parametrize("name", MODELS)
def test_the_scores_of_every_architecture_in_float32_equal_those_of_hugging_face_on_the_cpu(
    random_model: Callable[[str], Path], noises: Clips, name: str
) -> None:
    model, plain = (
        AcousticModel.load(random_model(name), device="cuda", precision="float32"),
        HuggingFace.load(random_model(name)),
    )
    tolerance = 2e-2 if name.startswith("conformer") else 2e-3  # cuDNN computes its convolutions in TF32
    batches = [noises] if model.max_clips is None else [[clip] for clip in noises[:4]]
    for batch in batches:
        found = model.forward([model.features(clip, level="exact") for clip in batch], SilentMonitor())
        for clip, scores in zip(batch, found, strict=True):
            alone = plain.logits(clip).log_softmax(-1)
            best, ids = alone.max(-1)
            # Where two labels are equally likely, rounding decides.
            is_clear = (alone.topk(2).values.diff().abs()[:, 0] > 2 * tolerance).numpy()
            np.testing.assert_array_equal(scores.ids[is_clear, 0], ids.numpy()[is_clear])
            np.testing.assert_allclose(scores.log_probs[:, 0], best.numpy(), rtol=2e-3, atol=tolerance)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", MODELS)
def test_the_scores_of_every_architecture_in_half_precision_are_close(
    random_model: Callable[[str], Path], noises: Clips, name: str, precision: str
) -> None:
    exact = AcousticModel.load(random_model(name), device="cuda", precision="float32")
    model = AcousticModel.load(random_model(name), device="cuda", precision=precision)
    together = [noises] if model.max_clips is None else [[clip] for clip in noises[:4]]
    for batch in together:
        clips = [model.features(clip) for clip in batch]
        expected, found = (each.forward(clips, SilentMonitor(), labels_per_frame=None) for each in (exact, model))
        for scores, exact_scores in zip(found, expected, strict=True):
            changes = np.exp(_by_label(scores)) - np.exp(_by_label(exact_scores))
            assert np.abs(changes).mean() < (0.02 if precision == "bfloat16" else 0.005)


def _by_label(scores: FrameScores) -> NDArray[np.float32]:
    """(frames, labels), in the order of the labels."""
    return np.take_along_axis(scores.log_probs, np.argsort(scores.ids, axis=1), axis=1)


def test_attention_over_a_padded_batch_equals_that_with_a_mask() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 4, 2, 50, 32, device="cuda", dtype=torch.bfloat16)
    n_frames = torch.tensor([50, 7, 1, 33], dtype=torch.int32, device="cuda")
    with attending(n_frames, 50):
        found, _ = padded_flash_attention(torch.nn.Identity(), query, key, value, None, scaling=0.2)
    is_valid = torch.arange(50, device="cuda") < n_frames[:, None]
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=is_valid[:, None, None], scale=0.2
    ).transpose(1, 2)
    torch.testing.assert_close(found.float()[is_valid], expected[is_valid], rtol=0.02, atol=0.02)


def test_float32_gives_the_texts_of_the_cpu(speech: thano_duckdb.Connection) -> None:
    assert texts(speech, "device='cuda', precision='float32'") == texts(speech, "device='cpu', precision='float32'")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_changes_few_texts(speech: thano_duckdb.Connection, precision: str) -> None:
    exact = texts(speech, "device='cpu', precision='float32'")
    assert n_different(texts(speech, f"device='cuda', precision='{precision}'"), exact) <= len(exact) // 5


def test_bfloat16_is_chosen_by_default(bundled_model: Path) -> None:
    assert AcousticModel.load(bundled_model).device.precision == "bfloat16"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_neighbours_in_a_batch_do_not_change_a_text(speech: thano_duckdb.Connection, precision: str) -> None:
    together = texts(speech, f"device='cuda', precision='{precision}'")
    alone = texts(speech, f"device='cuda', precision='{precision}', batch_size=1")
    # In half precision, products of another size round differently.
    assert n_different(together, alone) <= (0 if precision == "float32" else 3)


def test_batches_that_do_not_fit_in_memory_are_halved(random_model: Callable[[str], Path]) -> None:
    recognizer = CtcRecognizer(AcousticModel.load(random_model("wav2vec2-group"), device="cuda", precision="float32"))
    random = np.random.default_rng(0)
    clips = [recognizer.prepare(random.standard_normal(16_000 * 20, dtype=np.float32)) for _ in range(64)]
    windows = [window for clip in clips if isinstance(clip, PreparedClip) for window in clip.windows]

    def run(max_batch_samples: int) -> tuple[dict[int, Any], BatchRunner, int]:
        """The outcomes, the runner, and the most memory that was in use."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        runner = BatchRunner(recognizer)
        runner.max_batch_samples = max_batch_samples
        batches = runner.run(windows, GreedyDecoder(), max_clips=None, monitor=SilentMonitor())
        return dict(pair for batch in batches for pair in batch), runner, torch.cuda.max_memory_reserved()

    all_samples = len(windows) * 16_000 * 20
    expected, _, small_bytes = run(all_samples // 32)
    _, _, large_bytes = run(all_samples)
    assert large_bytes > 2 * small_bytes  # so that there is a limit between the two
    total_bytes = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((small_bytes + large_bytes) / 2 / total_bytes)
    try:
        found, runner, _ = run(all_samples)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert runner.max_batch_samples < all_samples
    for index, scores in expected.items():
        np.testing.assert_array_equal(found[index].ids, scores.ids)


def test_two_threads_get_the_texts_of_one(speech: thano_duckdb.Connection) -> None:
    expected = texts(speech, "device='cuda', precision='float32'")

    def again(_number: int) -> list[str]:
        return texts(speech.cursor(), "device='cuda', precision='float32', batch_size=7")

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(again, range(2))) == [expected, expected]


def test_ctrl_c_within_a_pass_ends_the_statement_and_the_next_one_works(
    speech: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = AcousticModel.forward
    is_first = threading.Event()

    def interrupted(
        model: AcousticModel, batch: list[Features], monitor: Monitor, *, labels_per_frame: int | None = 1
    ) -> list[FrameScores]:
        if not is_first.is_set():
            is_first.set()
            os.kill(os.getpid(), signal.SIGINT)
        return forward(model, batch, monitor, labels_per_frame=labels_per_frame)

    monkeypatch.setattr(AcousticModel, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        texts(speech, "device='cuda', precision='float16', batch_size=3")
    assert None not in texts(speech, "device='cuda', precision='float16', batch_size=3")


def test_a_clip_too_long_for_the_memory_fails_alone(
    random_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AcousticModel.load(random_model("wav2vec2-group"), device="cuda")
    recognizer = CtcRecognizer(model)
    clips = [recognizer.prepare(np.ones(16_000 * seconds, np.float32)) for seconds in (1, 25, 2)]
    windows = [window for clip in clips if isinstance(clip, PreparedClip) for window in clip.windows]
    encoder = model.network.base_model.feature_extractor
    forward = encoder.forward

    def full(samples: torch.Tensor) -> Any:
        if samples.shape[1] > 20 * 16_000:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(samples)

    monkeypatch.setattr(encoder, "forward", full)
    with pytest.raises(OutOfMemory):
        recognizer.run(windows, GreedyDecoder(), SilentMonitor())
    batches = BatchRunner(recognizer).run(windows, GreedyDecoder(), max_clips=None, monitor=SilentMonitor())
    outcomes = dict(outcome for batch in batches for outcome in batch)
    assert [isinstance(outcomes[index], ClipFailure) for index in range(3)] == [False, True, False]
