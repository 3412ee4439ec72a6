"""Batches that are computed at the same time share the threads of torch, and leave them to the user afterwards."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.mms import write_mms
from tests.speech.doubles import Batch, WatchedRecognizer
from tests.speech.log_mel_models import LOG_MEL_MODELS, write_log_mel_model
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.compute import ComputeThreads
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.device import choose_device
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import PreparedClip

N_THREADS = 4
WAIT_S = 60


@pytest.fixture(autouse=True)
def _several_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(N_THREADS)
    yield
    torch.set_num_threads(before)


def test_as_many_batches_are_computed_at_a_time_as_torch_has_threads_each_on_one(
    loaded: Callable[[str], AcousticModel],
) -> None:
    meeting = threading.Barrier(N_THREADS)
    threads_of_passes = []

    def meet(_batch: Batch) -> None:
        threads_of_passes.append(torch.get_num_threads())
        meeting.wait(WAIT_S)  # fails unless all of them are computed at a time

    recognizer = WatchedRecognizer(loaded("wav2vec2-layer"), meet)
    clip = recognizer.prepare(np.ones(16_000, np.float32))
    assert isinstance(clip, PreparedClip)
    batches = BatchRunner(recognizer).run(
        clip.windows * 2 * N_THREADS, GreedyDecoder(), max_clips=1, monitor=SilentMonitor()
    )
    assert sum(map(len, batches)) == 2 * N_THREADS
    assert threads_of_passes == [1] * 2 * N_THREADS


def test_a_single_batch_is_computed_with_all_threads(loaded: Callable[[str], AcousticModel]) -> None:
    threads_of_passes = []
    recognizer = WatchedRecognizer(
        loaded("wav2vec2-layer"), lambda _batch: threads_of_passes.append(torch.get_num_threads())
    )
    clip = recognizer.prepare(np.ones(16_000, np.float32))
    assert isinstance(clip, PreparedClip)
    list(BatchRunner(recognizer).run(clip.windows, GreedyDecoder(), max_clips=None, monitor=SilentMonitor()))
    assert threads_of_passes == [N_THREADS]


def test_what_needs_all_threads_waits_for_the_others_and_need_not_wait_for_ever() -> None:
    running, is_last_done = [], threading.Event()

    def compute(n_threads: int) -> int:
        running.append(n_threads)
        n_at_a_time = sum(running)
        threading.Event().wait(0.01)
        running.remove(n_threads)
        return n_at_a_time

    with ComputeThreads() as threads:
        few = [threads.submit(1, compute, 1) for _ in range(20)]
        all_ = threads.submit(N_THREADS, compute, N_THREADS)
        all_.add_done_callback(lambda _: is_last_done.set())
        while not is_last_done.is_set():
            few.append(threads.submit(1, compute, 1))
            few[-N_THREADS].result(WAIT_S)
            assert len(few) < 1_000
        assert max(future.result(WAIT_S) for future in [*few, all_]) <= N_THREADS


def test_afterwards_torch_uses_as_many_threads_as_before_on_new_threads_too() -> None:
    with ComputeThreads() as threads:
        assert threads.submit(1, torch.get_num_threads).result() == 1
    with ThreadPoolExecutor(1) as new:
        assert new.submit(torch.get_num_threads).result() == N_THREADS
    assert torch.get_num_threads() == N_THREADS


@pytest.mark.parametrize("name", ["wav2vec2-group", "data2vec", "sew", "conformer-relative", "wavlm-group"])
def test_batches_that_are_computed_at_the_same_time_do_not_change_each_other(
    loaded: Callable[[str], AcousticModel], noises: Sequence[np.ndarray], name: str
) -> None:
    compare_together_and_alone(loaded(name), noises)


@pytest.mark.parametrize("name", LOG_MEL_MODELS)
def test_nor_do_those_of_networks_that_read_log_mel_features(
    tmp_path: Path, noises: Sequence[np.ndarray], name: str
) -> None:
    folder = write_log_mel_model(tmp_path / name, name)
    compare_together_and_alone(AcousticModel.load(folder, device="cpu", precision="float32"), noises)


def compare_together_and_alone(model: AcousticModel, noises: Sequence[np.ndarray]) -> None:
    clips = [model.features(noise) for noise in noises if len(noise) >= model.min_samples]
    batches = [clips[first:] + clips[:first] for first in range(len(clips))]
    batches = [batch[: 1 + number % 3] for number, batch in enumerate(batches)] * 8
    alone = [model.forward(batch, SilentMonitor()) for batch in batches]
    torch.set_num_threads(1)
    with ThreadPoolExecutor(N_THREADS, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        together = list(threads.map(lambda batch: model.forward(batch, SilentMonitor()), batches))
    for found, expected in zip(together, alone, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)


def test_passes_in_two_languages_of_one_network_take_turns(tmp_path: Path) -> None:
    model = AcousticModel.load(write_mms(tmp_path / "mms"), device="cpu", precision="float32", language="kor")
    models = [model, model.in_language(tmp_path / "mms", "deu")]
    clip = model.features(np.random.default_rng(1).standard_normal(16_000).astype(np.float32))

    def scores(number: int) -> FrameScores:
        return models[number % 2].forward([clip], SilentMonitor(), labels_per_frame=None)[0]

    expected = [scores(0), scores(1)]
    assert expected[0].ids.shape != expected[1].ids.shape
    with ThreadPoolExecutor(N_THREADS) as threads:
        for number, found in enumerate(threads.map(scores, range(60))):
            np.testing.assert_allclose(found.log_probs, expected[number % 2].log_probs, atol=1e-4)


def test_the_recognizer_of_a_network_of_several_batches_gives_the_texts_of_one_thread(
    loaded: Callable[[str], AcousticModel], noises: Sequence[np.ndarray]
) -> None:
    recognizer = CtcRecognizer(loaded("wav2vec2-group"))
    prepared = [clip for clip in map(recognizer.prepare, noises) if isinstance(clip, PreparedClip)] * 10
    windows = [window for clip in prepared for window in clip.windows]

    def ids() -> list[list[int]]:
        outcomes = dict(
            outcome
            for batch in BatchRunner(recognizer).run(windows, GreedyDecoder(), max_clips=3, monitor=SilentMonitor())
            for outcome in batch
        )
        scores = [outcomes[index] for index in range(len(windows))]
        return [found.ids[:, 0].tolist() for found in scores if isinstance(found, FrameScores)]

    several = ids()
    torch.set_num_threads(1)
    assert several == ids()


def test_a_thread_that_begins_while_others_compute_may_use_all_threads() -> None:
    has_begun, may_end = threading.Event(), threading.Event()
    described = []

    def compute() -> None:
        has_begun.set()
        assert may_end.wait(WAIT_S)

    def begin_later() -> tuple[int, int]:
        described.append(choose_device("cpu", "float32").hardware)
        with ComputeThreads() as later:
            last = later.submit(later.n_threads, torch.get_num_threads)
            may_end.set()
            return later.n_threads, last.result(WAIT_S)

    with ComputeThreads() as threads:
        first = threads.submit(1, compute)
        assert has_begun.wait(WAIT_S)
        with ThreadPoolExecutor(1) as new:
            assert new.submit(begin_later).result(WAIT_S) == (N_THREADS, N_THREADS)
        first.result(WAIT_S)
    assert described == [f"{N_THREADS} threads"]
    with ThreadPoolExecutor(1) as new:
        assert new.submit(torch.get_num_threads).result() == N_THREADS


EXIT_SCRIPT = """
import sys, threading, time
from pathlib import Path
import numpy as np
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer

model = AcousticModel.load(Path(sys.argv[1]), device="cpu", precision="float32")
recognizer = CtcRecognizer(model)
clip = recognizer.prepare(np.ones(16_000, np.float32))
begun = threading.Event()

def slow(*_):
    begun.set()
    time.sleep(0.5)

for module in model.network.modules():
    module.register_forward_pre_hook(slow)

def transcribe():
    try:
        list(BatchRunner(recognizer).run(clip.windows * 99, GreedyDecoder(), max_clips=1, monitor=SilentMonitor()))
    except BaseException:
        pass

threading.Thread(target=transcribe, daemon=True).start()
begun.wait()
print(time.time(), flush=True)
"""


def test_python_exits_soon_while_a_daemon_thread_transcribes(random_model: Callable[[str], Path]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EXIT_SCRIPT, str(random_model("wav2vec2-layer"))],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    assert time.time() - float(ended.stdout) < 5  # a pass of this network takes more than 10 s
    assert not ended.stderr
