"""Which rows are held out for validation: whole groups, in the share that was asked for."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.training.kit import RATE_HZ, NotingMonitor, run_build
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.training.audio_store import AudioStore
from thano_duckdb.training.corpus import Corpus, prepare_corpus
from thano_duckdb.training.network import load_network
from thano_duckdb.training.split import choose_held_out, connected_rows, equal_rows, overlapping_parts
from thano_duckdb.training.training_options import Example, TrainingOptions

SIZES = st.lists(st.integers(1, 7), min_size=2, max_size=9)


def groups_of(sizes: list[int]) -> list[list[int]]:
    rows = iter(range(sum(sizes)))
    return [list(itertools.islice(rows, size)) for size in sizes]


def closest(sizes: list[int], wanted: int) -> int:
    """The distance to `wanted` of the best choice of groups, by trying all: neither none of them nor all."""
    totals = (sum(chosen) for n in range(1, len(sizes)) for chosen in itertools.combinations(sizes, n))
    return min(abs(total - wanted) for total in totals)


@given(sizes=SIZES, share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_the_share_is_met_as_closely_as_whole_groups_allow(sizes: list[int], share: float, seed: int) -> None:
    groups = groups_of(sizes)
    held_out = choose_held_out(groups, share, seed)
    assert 0 < len(held_out) < sum(sizes)
    assert all(set(group) <= held_out or not set(group) & held_out for group in groups)
    wanted = min(max(1, round(share * sum(sizes))), sum(sizes) - 1)
    assert abs(len(held_out) - wanted) == closest(sizes, wanted)


def test_every_group_is_held_out_by_some_seed() -> None:
    groups = groups_of([1, 1, 1, 1, 2, 2, 3, 3])
    seen = Counter(row for seed in range(200) for row in choose_held_out(groups, 0.3, seed))
    assert set(seen) == set(range(14))
    assert min(seen.values()) > 10


def test_many_groups_of_many_sizes_are_split_at_once() -> None:
    sizes = [1 + index % 97 for index in range(20_000)]
    held_out = choose_held_out(groups_of(sizes), 0.1, 0)
    assert len(held_out) == round(0.1 * sum(sizes))


def test_rows_without_anything_in_common_are_held_out_as_numpy_permutes_them() -> None:
    expected = set(np.random.default_rng(5).permutation(50)[:5].tolist())
    assert choose_held_out([[row] for row in range(50)], 0.1, 5) == expected


def test_rows_are_connected_directly_or_by_way_of_others() -> None:
    assert connected_rows(6, [(1, 2), (0, 2), (5, 3)]) == [[0, 1, 2], [3, 5], [4]]


def test_rows_of_equal_values_are_linked() -> None:
    values = np.array([[1, 2], [2, 1], [1, 2], [7, 7], [2, 1], [1, 2]], np.uint64)
    assert connected_rows(6, equal_rows(values)) == [[0, 2, 5], [1, 4], [3]]


# Rows


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    """Ten different recordings."""
    noise = np.random.default_rng(0)
    paths = [tmp_path / f"{index}.wav" for index in range(10)]
    for path in paths:
        soundfile.write(path, noise.uniform(-0.3, 0.3, RATE_HZ), RATE_HZ, subtype="PCM_16")
    return paths


def corpus_of(rows: list[Example], model: Path, share: float, seed: int = 0) -> Corpus:
    network = load_network(model, TrainingOptions())
    return prepare_corpus(
        rows,
        Alphabet(network.vocabulary),
        network.grid,
        AudioStore(),
        validation_split=share,
        seed=seed,
        fail_on_error=True,
        monitor=NotingMonitor(),
    )


def test_the_same_recording_is_never_on_both_sides(
    recordings: list[Path], small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        Example(audio, f"{word} {index}")
        for word in ("ONE", "TWO")
        for index, path in enumerate(recordings)
        # The same samples by an absolute and a relative path, a copy, and a BLOB.
        for audio in (str(path), path.name, str(copy_of(path)), path.read_bytes())
    ]
    for seed in range(5):
        corpus = corpus_of(rows, small_model, 0.3, seed)
        train, held_out = ({each.recording for each in side} for side in (corpus.train, corpus.validation))
        assert not train & held_out
        assert (len(train), len(held_out)) == (7, 3)
        assert (len(corpus.train), len(corpus.validation)) == (56, 24)
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert corpus_of(shuffled, small_model, 0.3, seed).digest == corpus.digest


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(1, 20)), max_size=12))
def test_parts_that_have_half_of_one_in_common_stay_together(drawn: list[tuple[str, int, int]]) -> None:
    parts = [(name, float(start), float(start + length)) for name, start, length in drawn]
    sources = np.array([[ord(name)] for name, _, _ in parts], np.uint64).reshape(-1, 1)
    starts_s, stops_s = np.array([part[1:] for part in parts]).reshape(-1, 2).T
    groups = connected_rows(len(parts), overlapping_parts(sources, starts_s, stops_s))
    group_of = {row: number for number, group in enumerate(groups) for row in group}
    linked = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(enumerate(parts), 2)
        if a[0] == b[0] and 0 < 0.5 * min(a[2] - a[1], b[2] - b[1]) <= min(a[2], b[2]) - max(a[1], b[1])
    ]
    assert all(group_of[one] == group_of[other] for one, other in linked)
    assert len(groups) == len(connected_rows(len(parts), linked))


def test_overlapping_parts_of_a_recording_are_on_one_side_and_segments_are_not_tied(
    recordings: list[Path], small_model: Path
) -> None:
    content = recordings[0].read_bytes()

    def part(start_s: float, stop_s: float) -> Example:
        return Example(Clip(str(recordings[0]), content, start_s=start_s, stop_s=stop_s), "NO")

    duration_s = soundfile.info(recordings[0]).duration
    overlapping = [part(0.0, 0.6 * duration_s), part(0.2 * duration_s, 0.8 * duration_s)]
    with pytest.raises(ThanoError, match=r"have the same recording$"):
        corpus_of(overlapping, small_model, 0.5)
    segments = [part(0.0, 0.52 * duration_s), part(0.48 * duration_s, duration_s)]
    corpus = corpus_of(segments, small_model, 0.5)
    assert (len(corpus.train), len(corpus.validation)) == (1, 1)


def copy_of(path: Path) -> Path:
    copy = path.with_name(f"copy_of_{path.name}")
    copy.write_bytes(path.read_bytes())
    return copy


def test_the_rows_of_a_group_stay_on_one_side_also_those_of_null(recordings: list[Path], small_model: Path) -> None:
    speakers = ["ann", "ann", "bob", "bob", "bob", None, None, "dan", "dan", "dan"]
    rows = [Example(str(path), "YES", group=(speaker,)) for path, speaker in zip(recordings, speakers, strict=True)]
    for seed in range(8):
        corpus = corpus_of(rows, small_model, 0.2, seed)
        of_path = {row.audio: row.group for row in rows}
        train, held_out = (
            {of_path[each.source.location] for each in side} for side in (corpus.train, corpus.validation)
        )
        assert not train & held_out
        assert held_out in ({("ann",)}, {(None,)})


def test_a_recording_of_two_groups_joins_them(recordings: list[Path], small_model: Path) -> None:
    rows = [
        Example(str(recordings[0]), "YES", group=("ann",)),
        Example(str(recordings[0]), "NO", group=("bob",)),
        Example(str(recordings[1]), "YES", group=("bob",)),
        Example(str(recordings[2]), "YES", group=("dan",)),
    ]
    corpus = corpus_of(rows, small_model, 0.5)
    assert sorted((len(corpus.train), len(corpus.validation))) == [1, 3]


def test_a_share_that_whole_groups_cannot_meet_is_reported(
    recordings: list[Path], small_model: Path, tmp_path: Path
) -> None:
    rows = [Example(str(path), "YES", group=(str(index < 5),)) for index, path in enumerate(recordings)]
    (warning,) = corpus_of(rows, small_model, 0.1).warnings
    assert warning == (
        "5 of 10 rows are held out, not 1 as validation_split=0.1 asks for, because rows of the same recording or the "
        "same value of split_by stay together"
    )
    monitor = NotingMonitor()
    run_build(tmp_path, small_model, rows, TrainingOptions(epochs=1, validation_split=0.1), monitor=monitor)
    assert warning in monitor.sentences


def test_a_single_group_cannot_be_split(recordings: list[Path], small_model: Path) -> None:
    same = [Example(str(recordings[0]), text) for text in ("YES", "NO", "GO")]
    with pytest.raises(
        ThanoError,
        match=r"^option 'validation_split' cannot hold out any row: all 3 usable rows have the same recording$",
    ):
        corpus_of(same, small_model, 0.3)
    rows = [Example(str(path), "YES", group=("ann",)) for path in recordings]
    with pytest.raises(ThanoError, match=r"all 10 usable rows have the same value of split_by, or share a recording$"):
        corpus_of(rows, small_model, 0.3)
