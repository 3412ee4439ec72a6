"""The compared systems produce the same texts, and their operations are counted correctly."""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import thano_duckdb
from benchmarks import gpu, inference_engines, mix, passes, peers, systems
from benchmarks.clip_sets import ClipSet, write_random_model
from benchmarks.flops import corpus_flops
from benchmarks.own_process import OwnProcess
from tests.conftest import Utterance
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer


@pytest.fixture
def clips(an4_test: list[Utterance]) -> ClipSet:
    few = an4_test[:6]
    return ClipSet("an4", [clip.audio_path for clip in few], [clip.text for clip in few])


def test_sql_the_engine_and_a_hand_written_loop_give_the_same_texts(
    con: thano_duckdb.Connection, an4_model: Path, clips: ClipSet
) -> None:
    compared = [systems.engine(an4_model), systems.predict(con, an4_model), systems.hugging_face_loop(an4_model)]
    (ours, sql, by_hand), second_round = passes.run_rounds(compared, clips.paths, 2, label="test")
    assert ours.texts == sql.texts == second_round[0].texts
    # Hugging Face keeps double spaces; our texts have single ones.
    assert ours.texts == [" ".join(text.split()) for text in by_hand.texts]
    assert all(ours.texts)
    assert ours.shares["device_percent"] > 0


def test_no_pass_is_served_from_the_cache(con: thano_duckdb.Connection, an4_model: Path, clips: ClipSet) -> None:
    sql, ours = systems.predict(con, an4_model), systems.engine(an4_model)
    n_passes = 0

    def count(*_args: object) -> None:
        nonlocal n_passes
        n_passes += 1

    recognizer = load_engine(an4_model, device="cpu", precision="float32").recognizer
    assert isinstance(recognizer, CtcRecognizer)
    assert isinstance(recognizer.model, AcousticModel)
    handle = recognizer.model.network.register_forward_hook(count)
    sql.transcribe(clips.paths)
    n_of_one = n_passes
    for system in (sql, ours, ours):
        system.transcribe(clips.paths)
    handle.remove()
    assert n_of_one > 0
    assert n_passes == 4 * n_of_one


def test_a_system_in_its_own_process_gives_the_same_texts(an4_model: Path, clips: ClipSet) -> None:
    with OwnProcess(systems.engine, an4_model, "float32") as apart:
        found = apart.run_pass(clips.paths)
    assert found.texts == systems.engine(an4_model, "float32").transcribe(clips.paths)
    assert found.elapsed_s > 0


def test_a_system_that_cannot_run_becomes_a_row_with_the_reason(an4_model: Path) -> None:
    with contextlib.ExitStack() as processes:
        running, skipped = peers.prepare(processes, (systems.engine, an4_model, "float16"))
    assert running == []
    assert "needs a GPU" in str(skipped[0]["note"])


@pytest.mark.parametrize(
    ("make", "package"),
    [
        (inference_engines.onnx_runtime, "onnxruntime"),
        (inference_engines.openvino, "openvino"),
        (inference_engines.ctranslate2, "ctranslate2"),
    ],
)
def test_an_engine_that_is_not_installed_is_skipped_with_what_installs_it(
    an4_model: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], systems.System], package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(systems.SkippedError, match=r"pip install 'thano_duckdb\[benchmarks\]'"):
        make(an4_model)


@pytest.mark.parametrize("make", [inference_engines.onnx_runtime, inference_engines.openvino])
def test_other_engines_give_our_texts_where_nothing_is_padded(
    an4_model: Path, clips: ClipSet, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], systems.System]
) -> None:
    monkeypatch.setattr(inference_engines, "BATCH_SIZES", (1,))
    try:
        system = make(an4_model)
    except systems.SkippedError as error:
        pytest.skip(str(error))
    texts = [" ".join(text.split()) for text in system.transcribe(clips.paths)]
    assert texts == systems.engine(an4_model).transcribe(clips.paths)


def test_operations_agree_with_a_count_by_hand(tmp_path: Path) -> None:
    model = write_random_model(
        tmp_path,
        conv_dim=[6, 10],
        conv_kernel=[10, 4],
        conv_stride=[5, 2],
        num_feat_extract_layers=2,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_conv_pos_embeddings=5,
        num_conv_pos_embedding_groups=2,
    )
    first = (1600 - 10) // 5 + 1
    frames = (first - 4) // 2 + 1
    convolutions = first * 10 * 6 + frames * 4 * 6 * 10 + frames * 5 * (16 // 2) * 16
    layer = frames * (4 * 16 * 16 + 2 * 16 * 24) + 2 * frames * frames * 16
    products = convolutions + frames * 10 * 16 + 3 * layer + frames * 16 * 32
    assert corpus_flops(model, [0.1, 0.1]) == 2 * (2 * products)


def test_a_mix_consists_of_whole_clips_and_is_the_same_each_time(tmp_path: Path) -> None:
    source = ClipSet("few", gpu.bundled_clips().paths[:8], [f"clip {row}" for row in range(8)])
    first, again = (mix.make_mix(source, tmp_path / name, 5, seed=1) for name in "ab")
    assert first.texts == again.texts
    assert first.durations_s == again.durations_s
    lengths_s = {f"clip {row}": length_s for row, length_s in enumerate(source.durations_s)}
    for text, duration_s in zip(first.texts or (), first.durations_s, strict=True):
        parts = [f"clip {part.strip()}" for part in text.split("clip ")[1:]]
        assert duration_s == pytest.approx(sum(lengths_s[part] for part in parts))
    for duration_s, share_s in zip(sorted(first.durations_s), mix.spread_s(5), strict=True):
        assert duration_s <= max(share_s, min(source.durations_s))


def test_the_smoke_version_of_the_gpu_benchmark_runs_on_a_cpu(tmp_path: Path) -> None:
    gpu.main("--device", "cpu", "--smoke", "--results", str(tmp_path))
    with (tmp_path / "gpu_smoke.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["Hugging Face pipeline(16)", "SQL: PREDICT"] + ["model alone"] * 2
    assert all(float(row["audio_s_per_s"]) > 0 for row in rows)
