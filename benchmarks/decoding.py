"""What a language model and hotwords do to the error rates, and what they cost.

`python -m benchmarks decoding [--language-model NAME]`: a name, or the path of an ARPA file or KenLM binary; by default
`en`.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import jiwer
import numpy as np
import psutil
import pyarrow as pa

import thano_duckdb
from benchmarks.clip_sets import SHARED, ClipSet
from benchmarks.report import progress, report
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.language.language_model import resolve_language_model
from thano_duckdb.models import bundled
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL
from thano_duckdb.models.registry import Registry, model_home
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.decoding.beam import LM_WEIGHT, WORD_SCORE, BeamDecoder
from thano_duckdb.speech.decoding.decoder import Decoder, FrameScores, Hypothesis
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer
from thano_duckdb.speech.recognizer.recognizer import ClipFailure

N_COMMON_WORDS = 2000
MIN_RARE_LETTERS = 5
N_DISTRACTORS = 1000
SURE = 0.8
HELD_OUT = "('0x' || left(md5(thano_normalize(text)), 8))::UBIGINT % 10 = 0"
"""As in bundle/recorded_speech.sql."""
QUERIES = {
    "kathleen": f"FROM read_csv('{SHARED}/data/kathleen_arctic/manifest.csv') WHERE {HELD_OUT}",
    "ljspeech": f"FROM read_csv('{SHARED}/data/ljspeech_part1/manifest.csv') WHERE {HELD_OUT}",
    "an4": f"FROM read_csv('{SHARED}/data/an4/manifest.csv') WHERE split = 'test'",
    "unheard": f"FROM read_csv('{SHARED}/data/librispeech_test_clean/manifest.csv') "
    "WHERE split = 'test' AND duration < 12 ORDER BY md5(audio_path) LIMIT 40",
}
FOLDERS = {"kathleen": "kathleen_arctic", "ljspeech": "ljspeech_part1", "unheard": "librispeech_test_clean"}


def clip_sets() -> list[ClipSet]:
    """The tutorial's training clips, on which everything was tuned, and the test sets."""
    sets = []
    with thano_duckdb.connect(progress=False) as con:
        own = bundled.dataset_folder("librispeech_data")
        for split in ("train", "test"):
            rows = con.sql(f"SELECT audio_path, text FROM read_csv('{own}/librispeech_{split}.csv')").fetchall()
            paths = [str(own / Path(path).name) for path, _text in rows]
            sets.append(ClipSet(f"tutorial {split}", paths, [text for _path, text in rows]))
        for name, query in QUERIES.items():
            folder = SHARED / "data" / FOLDERS.get(name, name)
            if not folder.exists():
                progress(f"skipped: {name} needs {folder}")
                continue
            rows = con.sql(f"SELECT audio_path, text {query}").fetchall()
            paths = [str(folder / path) for path, _text in rows]
            sets.append(ClipSet(name, paths, [text for _path, text in rows]))
    return sets


def main(*arguments: str) -> None:
    """Run the network once over each set, and decode what it gives in several ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language-model", default=LANGUAGE_MODEL)
    language_model = parser.parse_args(arguments).language_model
    recognizer = CtcRecognizer(AcousticModel.load(bundled.MODEL_FOLDER, device="cpu", precision="float32"))
    model = resolve_language_model(language_model, Registry(model_home(None, "")))
    assert model is not None
    resident, begun_s = psutil.Process().memory_info().rss, time.perf_counter()
    weights = (model.lm_weight or LM_WEIGHT, WORD_SCORE if model.word_score is None else model.word_score)
    search = BeamDecoder(model, *weights)
    search.load(recognizer.vocabulary)
    about = {
        "language_model": model.description,
        "load_s": round(time.perf_counter() - begun_s, 2),
        "resident_mib": round((psutil.Process().memory_info().rss - resident) / 2**20),
    }
    rows: list[dict[str, object]] = []
    for clips in clip_sets():
        progress(clips.name)
        rows += _rows(clips, recognizer, search, about)
    report("decoding", rows)


def _rows(
    clips: ClipSet, recognizer: CtcRecognizer, search: BeamDecoder, about: dict[str, object]
) -> list[dict[str, object]]:
    assert clips.texts is not None
    references = normalize(pa.array(clips.texts)).to_pylist()
    common = _common_words()
    rare = [
        [word for word in text.split() if len(word) >= MIN_RARE_LETTERS and word not in common] for text in references
    ]
    distractors = tuple(random.Random(0).sample(sorted(_words() - common), N_DISTRACTORS))
    ways: dict[str, Callable[[int], Decoder]] = {
        "greedy": lambda _row: GreedyDecoder(),
        "language model": lambda _row: search,
        "and a hotword": lambda _row: dataclasses.replace(search, hotwords=distractors[:1]),
        f"and {N_DISTRACTORS} hotwords": lambda _row: dataclasses.replace(search, hotwords=distractors),
        "and the rare words of each clip": lambda row: dataclasses.replace(search, hotwords=tuple(rare[row])),
        "rare words alone": lambda row: BeamDecoder(hotwords=tuple(rare[row])),
    }
    scores, network_s = _scores(clips, recognizer)
    rows: list[dict[str, object]] = []
    for way, decoder in ways.items():
        found, decode_s = _decode(scores, recognizer, decoder)
        hypotheses = normalize(pa.array([each.text for each in found])).to_pylist()
        n_sure, n_sure_right = _sure(references, found)
        rows.append(
            {
                "set": clips.name,
                "clips": len(clips.paths),
                "decoder": way,
                "wer": round(jiwer.wer(references, hypotheses), 4),
                "cer": round(jiwer.cer(references, hypotheses), 4),
                "rare_words": sum(map(len, rare)),
                "recall": round(_recall(rare, hypotheses), 3),
                "sure_words_percent": round(100 * n_sure / max(1, sum(len(each.words) for each in found)), 1),
                "sure_and_right_percent": round(100 * n_sure_right / max(1, n_sure), 1),
                "ms_per_audio_s": round(1000 * decode_s / clips.audio_s, 3),
                "percent_of_network": round(100 * decode_s / network_s, 2),
                **about,
            }
        )
    return rows


def _scores(clips: ClipSet, recognizer: CtcRecognizer) -> tuple[list[FrameScores], float]:
    """The scores of each clip, and the processor time of the network."""
    scores, begun_s = [], time.process_time()
    decoder = BeamDecoder()
    for path in clips.paths:
        waveform = decode(Clip.of(path))
        assert isinstance(waveform, Waveform)
        prepared = recognizer.prepare(waveform.samples)
        assert not isinstance(prepared, ClipFailure)
        outputs = recognizer.run(prepared.windows, decoder, SilentMonitor())
        scores.append(recognizer.join(prepared, [each for each in outputs if isinstance(each, FrameScores)]))
    return scores, time.process_time() - begun_s


def _decode(
    scores: Sequence[FrameScores], recognizer: CtcRecognizer, decoder: Callable[[int], Decoder]
) -> tuple[list[Hypothesis], float]:
    """The texts, and the processor time of the second pass: the first spells the hotwords and warms the caches."""
    decoders = [decoder(row) for row in range(len(scores))]
    for _ in range(2):
        begun_s = time.process_time()
        found = [recognizer.decode([each], way)[0] for each, way in zip(scores, decoders, strict=True)]
    return found, time.process_time() - begun_s


def _recall(rare: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> float:
    """The share of the rare words that the texts have."""
    n_found = sum(
        (Counter(words) & Counter(text.split())).total() for words, text in zip(rare, hypotheses, strict=True)
    )
    return float(n_found / max(1, sum(map(len, rare))))


def _sure(references: Sequence[str], found: Sequence[Hypothesis]) -> tuple[int, int]:
    """How many words have a confidence of at least `SURE`, and how many of these are right."""
    n_sure = n_right = 0
    for reference, each in zip(references, found, strict=True):
        words = [word.word.lower() for word in each.words]
        if not words or not reference:
            continue
        is_right = np.zeros(len(words), np.bool_)
        for chunk in jiwer.process_words(reference, " ".join(words)).alignments[0]:
            is_right[chunk.hyp_start_idx : chunk.hyp_end_idx] = chunk.type == "equal"
        is_sure = np.array([word.confidence >= SURE for word in each.words])
        n_sure, n_right = n_sure + int(is_sure.sum()), n_right + int((is_sure & is_right).sum())
    return n_sure, n_right


def _sentences() -> list[str]:
    return (SHARED / "data" / "lm_text" / "common_voice_sentences.txt").read_text(encoding="utf-8").splitlines()


def _common_words() -> set[str]:
    counts = Counter(word for sentence in _sentences() for word in sentence.split())
    return {word for word, _n in counts.most_common(N_COMMON_WORDS)}


def _words() -> set[str]:
    return {word for sentence in _sentences() for word in sentence.split() if len(word) >= MIN_RARE_LETTERS}
