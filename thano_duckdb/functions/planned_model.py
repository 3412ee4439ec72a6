"""The model of a plan: how fast it will be, and what it needs."""

from __future__ import annotations

import functools
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
    from thano_duckdb.speech.forecast import NetworkFacts, Processes, SpeedForecast

MEASURED_BY = {
    "measured": "as measured in this process",
    "remembered": "as remembered from an earlier process",
    "scaled": "roughly: calculated from the speed of one process",
    "calibrated": "roughly: calculated from the size of the network and the time of a matrix product",
}


@dataclass(frozen=True)
class PlannedModel:
    """A model and how its texts are written.

    Attributes:
        resolved: what its name means.
        facts: what its files say.
        beam: the beam search; None for greedy decoding.
        processes: of this machine that would compute.
        cluster: the option; what a cluster will do is not known.
    """

    resolved: ResolvedModel
    facts: NetworkFacts
    beam: BeamDecoder | None
    processes: Processes
    cluster: str

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
        name = self.resolved.name if self.resolved.version is None else f"{self.resolved.name}@{self.resolved.version}"
        shown = name if name == str(self.resolved.folder) else f"{name}, in {self.resolved.folder}"
        rows = self._here(found, home) if self.cluster == "off" else _elsewhere(self.cluster)
        limit = min((n for n in (max_clips, facts.max_clips) if n is not None), default=None)
        batch = f"{facts.batch_s:,.0f} s of audio at most, padding included"
        if limit is not None:
            batch += f", and {counted(limit, 'clip')}"
        rows.append(PlanRow.of_text("model", shown))
        rows.append(PlanRow.of("parameters", exactly(facts.n_parameters), f"{facts.n_parameters:,}"))
        if self.cluster == "off":
            rows.append(PlanRow.of_text("device", self._device_text()))
            rows.append(PlanRow.of_text("precision", facts.device.precision))
            rows.append(PlanRow.of("batch_s", exactly(facts.batch_s), batch))
        else:
            rows.append(PlanRow.of_text("device", f"those of the cluster '{self.cluster}'"))
        return [*rows, PlanRow.of_text("decoder", _decoder_text(self.beam))]

    def _here(self, found: Survey, home: Path | None) -> list[PlanRow]:
        """Time and memory on this machine."""
        speed = self.facts.speed(self.decoder, process_speeds(), home, self.processes)
        seconds = _seconds(found.new_audio_s, speed)
        language_model = None if self.beam is None else self.beam.language_model
        n_bytes = 0 if language_model is None else language_model.path.stat().st_size
        memory = self.facts.memory(
            found.new_audio_s.value or 0.0, language_model_bytes=n_bytes, processes=self.processes
        )
        n_workers = self.processes.n_workers
        held = f"about {bytes_text(memory.host_bytes)} at most{f', in {n_workers + 1} processes' if n_workers else ''}"
        loading = "loading the model"
        if self.facts.is_to_convert:
            held += ", and more while the model is converted"
            loading = "converting the model for OpenVINO, once, and loading it"
        rows = [
            PlanRow.of("speed", speed.per_s, f"{_speed(speed.per_s)} {MEASURED_BY[speed.source]}"),
            PlanRow.of("seconds", seconds, f"{time_text(seconds)}, plus {loading}"),
            PlanRow.of("memory_bytes", exactly(memory.host_bytes), held),
        ]
        if memory.device_bytes is not None:
            whose = "each GPU" if self.processes.n_gpus > 1 else "the GPU"
            text = f"about {bytes_text(memory.device_bytes)} of {whose}"
            rows.append(PlanRow.of("device_memory_bytes", exactly(memory.device_bytes), text))
        return rows

    def _device_text(self) -> str:
        device = self.facts.device
        if self.cluster != "off":
            return f"those of the cluster '{self.cluster}'; the other lines are of {device.name} on this machine"
        if not self.processes.n_workers:
            return f"{device.name} ({device.hardware})"
        devices = ", ".join(dict.fromkeys(self.processes.devices))
        return f"{devices} ({self.processes.n_workers} workers)"


def _elsewhere(cluster: str) -> list[PlanRow]:
    """What is said of a cluster, which a plan does not ask."""
    reason = "unknown: a plan does not ask the cluster"
    if cluster == "auto":
        reason += ", nor whether there is one"
    return [PlanRow.of_text(item, reason) for item in ("speed", "seconds", "memory_bytes")]


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
