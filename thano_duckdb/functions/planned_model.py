"""The model of a plan: how fast it will be, and what it needs."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thano_duckdb.errors import counted
from thano_duckdb.models.resolve import ResolvedModel
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.cache import TranscriptCache
from thano_duckdb.speech.estimate import Estimate, exactly
from thano_duckdb.speech.known_clips import known_clips
from thano_duckdb.speech.speeds import process_speeds

from .plan_rows import PlanRow, bytes_text, time_text
from .survey import Known, Survey

if TYPE_CHECKING:
    from thano_duckdb.speech.decoding.beam import BeamDecoder
    from thano_duckdb.speech.forecast import NetworkFacts, SpeedForecast

MEASURED_BY = {
    "measured": "as measured in this process",
    "remembered": "as remembered from an earlier process",
    "calibrated": "roughly: calculated from the size of the network and the time of a matrix product",
}


@dataclass(frozen=True)
class PlannedModel:
    """A model and how its texts are written.

    Attributes:
        resolved: what its name means.
        facts: what its files say.
        beam: the beam search; None for greedy decoding.
        devices: that of each worker; a single one: this process has the model.
        cluster: the Ray cluster whose workers have it, or `off`.
    """

    resolved: ResolvedModel
    facts: NetworkFacts
    beam: BeamDecoder | None
    devices: Sequence[str] = ("auto",)
    cluster: str = "off"

    @property
    def decoder(self) -> Any:
        """What writes its texts."""
        from thano_duckdb.speech.forecast import default_decoder

        return self.beam or default_decoder()

    def known(self, cache: TranscriptCache, chosen: dict[str, Any], monitor: Monitor) -> Known:
        """Tells whose transcripts are in `cache`, with the options of a statement."""
        from thano_duckdb.speech.job_runner import CallOptions

        options = CallOptions(
            self.decoder, skip_silence=chosen.get("skip_silence", True), level=chosen.get("level", "robust")
        )
        return functools.partial(
            known_clips,
            cache=cache,
            monitor=monitor,
            fingerprint=self.facts.fingerprint_with(self.decoder),
            decoder=self.decoder,
            preparation=options.preparation,
        )

    def rows(self, found: Survey, home: Path | None, *, max_clips: int | None) -> list[PlanRow]:
        """What the clips take with it.

        Args:
            found: the clips.
            home: of the models, where speeds are remembered; None where it may not be read.
            max_clips: the option `batch_size`.
        """
        facts = self.facts
        rows = self._cluster_rows() if self.cluster != "off" else self._own_rows(found, home)
        limit = min((n for n in (max_clips, facts.max_clips) if n is not None), default=None)
        batch = f"{facts.batch_s:,.0f} s of audio at most, padding included"
        if limit is not None:
            batch += f", and {counted(limit, 'clip')}"
        return [
            *rows,
            PlanRow.of_text("model", self._shown_name),
            PlanRow.of("parameters", exactly(facts.n_parameters), f"{facts.n_parameters:,}"),
            PlanRow.of_text("device", self._shown_device),
            PlanRow.of_text("precision", facts.device.precision),
            PlanRow.of("batch_s", exactly(facts.batch_s), batch),
            PlanRow.of_text("decoder", _decoder_text(self.beam)),
        ]

    @property
    def _shown_name(self) -> str:
        resolved = self.resolved
        name = resolved.name if resolved.version is None else f"{resolved.name}@{resolved.version}"
        return name if name == str(resolved.folder) else f"{name}, in {resolved.folder}"

    @property
    def _shown_device(self) -> str:
        if self.cluster != "off":
            return "those of the cluster; what follows is for this machine"
        if len(self.devices) == 1:
            return f"{self.facts.device.torch_device} ({self.facts.device.hardware})"
        counts = Counter(self.devices)
        return f"{len(self.devices)} worker processes: " + ", ".join(f"{n} on {name}" for name, n in counts.items())

    def _cluster_rows(self) -> list[PlanRow]:
        """Nothing is known of its workers before they are asked for."""
        why = f"unknown: it depends on the workers of the cluster '{self.cluster}'"
        return [PlanRow.of(item, Estimate(), why) for item in ("speed", "seconds", "memory_bytes")]

    def _own_rows(self, found: Survey, home: Path | None) -> list[PlanRow]:
        """What is known of this process and its workers."""
        from thano_duckdb.speech.forecast import with_workers

        n_workers, n_devices = len(self.devices), len(set(self.devices))
        speed = self.facts.workers_speed(self.devices, self.decoder, process_speeds(), home)
        seconds = _seconds(found.new_audio_s, speed)
        language_model = None if self.beam is None else self.beam.language_model
        n_bytes = 0 if language_model is None else language_model.path.stat().st_size
        one = self.facts.memory((found.new_audio_s.value or 0.0) / n_workers, language_model_bytes=n_bytes)
        memory = with_workers(one, self.devices)
        loading = "loading the model" if n_workers == 1 else "starting the workers"
        holders = "" if n_workers == 1 else f", in this process and {n_workers} workers"
        text = f"about {bytes_text(memory.host_bytes)} at most{holders}"
        rows = [
            PlanRow.of("speed", speed.per_s, f"{_speed(speed.per_s)} {MEASURED_BY[speed.source]}"),
            PlanRow.of("seconds", seconds, f"{time_text(seconds)}, plus {loading}"),
            PlanRow.of("memory_bytes", exactly(memory.host_bytes), text),
        ]
        if memory.device_bytes is not None:
            text = f"about {bytes_text(memory.device_bytes)} of {'the' if n_devices == 1 else 'each'} GPU"
            rows.append(PlanRow.of("device_memory_bytes", exactly(memory.device_bytes), text))
        return rows


def _seconds(audio_s: Estimate, speed: SpeedForecast) -> Estimate:
    """How long transcribing takes: between the least audio at the highest speed and the most at the lowest."""
    per_s = speed.per_s
    if audio_s.value is None or audio_s.low is None or not (per_s.value and per_s.low and per_s.high):
        return Estimate()
    high = None if audio_s.high is None else audio_s.high / per_s.low
    return Estimate(audio_s.value / per_s.value, audio_s.low / per_s.high, high)


def _speed(per_s: Estimate) -> str:
    return f"about {per_s.value:,.0f} s of audio per second ({per_s.low:,.0f} to {per_s.high:,.0f}),"


def _decoder_text(beam: BeamDecoder | None) -> str:
    if beam is None:
        return "greedy: the likeliest label of each frame"
    parts = [f"beam search of width {beam.beam_width}"]
    if beam.language_model is not None:
        parts.append(f"language model '{beam.language_model.name}'")
    if beam.hotwords:
        parts.append(counted(len(beam.hotwords), "hotword"))
    return ", ".join(parts)
