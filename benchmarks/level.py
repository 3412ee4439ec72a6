"""What a beep, a click, an offset or a loud passage does to the texts, with `level='exact'` and with `'robust'`.

`python -m benchmarks level`; character error rates with greedy decoding, of short clips and of clips joined to one to
three minutes. The rows "an ordinary set" have no disturbance: there the texts are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import jiwer
import numpy as np
import pyarrow as pa

from benchmarks.clip_sets import MODEL, ClipSet
from benchmarks.decoding import clip_sets
from benchmarks.disturbances import DISTURBANCES, RATE_HZ, Samples
from benchmarks.report import progress, report
from thano_duckdb.audio.decode import Waveform, decode
from thano_duckdb.audio.source import Clip
from thano_duckdb.models import bundled
from thano_duckdb.monitoring.monitor import SilentMonitor
from thano_duckdb.speech.cache import NoCache
from thano_duckdb.speech.decoding.greedy import GreedyDecoder
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.job_runner import CallOptions
from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.recognizer.acoustic_model import AcousticModel
from thano_duckdb.speech.recognizer.ctc_recognizer import CtcRecognizer

N_SHORT = 30
"""Clips of each set to which every disturbance is applied."""
LONG_S = (60, 120, 180)
Recordings = Sequence[tuple[Samples, str]]
"""Samples and text of each."""


def main() -> None:
    """Transcribe every recording with every disturbance, twice."""
    sets = {clips.name: clips for clips in clip_sets() if clips.name not in ("tutorial train", "unheard")}
    models = {"Wav2Vec2TinyEn": (bundled.MODEL_FOLDER, sets)}
    if MODEL.exists() and "an4" in sets:
        models["an4-small"] = (MODEL, {"an4": sets["an4"]})
    rows: list[dict[str, object]] = []
    for model, (folder, its_sets) in models.items():
        recognizer = CtcRecognizer(AcousticModel.load(folder, device="cpu", precision="float32"))
        for clips in its_sets.values():
            recordings = _read(clips)
            progress(f"{model}, {clips.name}")
            rows.append({"model": model, "set": clips.name, **_rates(recognizer, "an ordinary set", recordings)})
            short = recordings[:: max(1, len(recordings) // N_SHORT)][:N_SHORT]
            for length, chosen in (("short", short), ("long", _joined(recordings))):
                about = {"model": model, "set": f"{clips.name}, {length}"}
                rows += [{**about, **row} for row in _disturbed(recognizer, chosen)]
    report("level", rows)


def _read(clips: ClipSet) -> Recordings:
    assert clips.texts is not None
    recordings = []
    for path, text in zip(clips.paths, normalize(pa.array(clips.texts)).to_pylist(), strict=True):
        waveform = decode(Clip.of(path))
        assert isinstance(waveform, Waveform)
        recordings.append((waveform.samples, text))
    return recordings


def _joined(recordings: Recordings) -> Recordings:
    """Long recordings, whose parts have the same highest sample; as many of `LONG_S` as there is speech for."""
    order = iter(np.random.default_rng(7).permutation(len(recordings)).tolist())
    joined = []
    for duration_s in LONG_S:
        parts: list[tuple[Samples, str]] = []
        while sum(len(samples) for samples, _text in parts) < duration_s * RATE_HZ:
            index = next(order, None)
            if index is None:
                break
            samples, text = recordings[index]
            parts.append((samples * np.float32(0.6 / np.abs(samples).max()), text))
        if parts:
            joined.append((np.concatenate([samples for samples, _ in parts]), " ".join(text for _, text in parts)))
    return joined


def _disturbed(recognizer: CtcRecognizer, recordings: Recordings) -> list[dict[str, object]]:
    rows = [_rates(recognizer, "none", recordings)]
    for name, disturb in DISTURBANCES.items():
        rows.append(_rates(recognizer, name, [(disturb(samples), text) for samples, text in recordings]))
    return rows


def _rates(recognizer: CtcRecognizer, disturbance: str, recordings: Recordings) -> dict[str, object]:
    references = [text for _samples, text in recordings]
    texts: Mapping[str, list[str]] = {
        "exact": _texts(recognizer, recordings, "exact"),
        "robust": _texts(recognizer, recordings, "robust"),
    }
    return {
        "disturbance": disturbance,
        "clips": len(recordings),
        **{f"cer_{level}": round(jiwer.cer(references, found), 4) for level, found in texts.items()},
        **{f"wer_{level}": round(jiwer.wer(references, found), 4) for level, found in texts.items()},
        "same_texts": sum(map(str.__eq__, *texts.values())),
    }


def _texts(recognizer: CtcRecognizer, recordings: Recordings, level: Literal["exact", "robust"]) -> list[str]:
    """The normalised greedy texts."""

    def read(clip: Clip) -> Waveform:
        samples = recordings[int(clip.location)][0]
        return Waveform(samples, len(samples) / RATE_HZ)

    transcripts = Engine(recognizer, read=read).transcribe(
        [Clip.of(str(number)) for number in range(len(recordings))],
        CallOptions(GreedyDecoder(), level=level),
        cache=NoCache(),
        monitor=SilentMonitor(),
    )
    found: list[str] = normalize(
        pa.array([each.text if each and each.text else "" for each in transcripts])
    ).to_pylist()
    return found
