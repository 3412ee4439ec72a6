"""How fast a model will be on a device, and how much memory it takes, before it is loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from thano_duckdb.models.checkpoint import check_checkpoint, reading_model

from .calibration import matrix_products_per_s
from .compute import n_streams
from .decoding.decoder import Decoder
from .decoding.greedy import GreedyDecoder
from .decoding.vocabulary import Vocabulary
from .device import Device, choose_device, threads_text
from .estimate import Estimate
from .local_runner import Limits
from .recognizer.acoustic_model import network_fingerprint
from .recognizer.ctc_checkpoint import CtcCheckpoint
from .recognizer.network_config import encoder_config
from .recognizer.network_cost import multiplications_per_s, values_per_s
from .recognizer.network_size import n_stored
from .speeds import SpeedMeter, speed_key
from .windows import SAMPLE_RATE_HZ

SpeedSource = Literal["measured", "remembered", "scaled", "calibrated"]

# By how much a run may be faster or slower than each kind of estimate (docs/plans.md has what was compared).
_FACTORS: dict[SpeedSource, float] = {"measured": 1.3, "remembered": 1.5, "scaled": 3.0, "calibrated": 3.0}

_EFFICIENCY, _EFFICIENCY_OF_BFLOAT16_ON_CPU = 0.45, 0.2
"""Share of the rate of matrix products that networks reach: 0.3 (small) to 0.7 (base) on a CPU, 0.4 on a GPU."""
_HOST_S = 2.5e-4
"""For a second of audio: reading and writing, beside the network."""
_LIBRARY_BYTES = 950e6
"""torch, transformers and DuckDB, loaded."""
_CUDA_CONTEXT_BYTES = 500e6
_INT8_BYTES = 1.5
"""For a weight: the layers that are not linear stay in float32."""


@dataclass(frozen=True)
class SpeedForecast:
    """Seconds of audio that will be transcribed per second.

    Attributes:
        per_s: the speed.
        source: how it is known: measured in this process, remembered from an earlier one, calculated for several
            workers from the speed of one process, or from the size of the network and the time of a matrix product.
    """

    per_s: Estimate
    source: SpeedSource


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes that this process and its workers hold at most, and those of each GPU; None without a GPU."""

    host_bytes: float
    device_bytes: float | None


@dataclass(frozen=True)
class Processes:
    """The processes of this machine that compute.

    Attributes:
        devices: of each worker; a single one is that of this process, which then computes itself.
        n_threads: of each worker that computes on the processor.
    """

    devices: tuple[str, ...]
    n_threads: int

    @property
    def n_workers(self) -> int:
        """How many there are beside this process."""
        return len(self.devices) if len(self.devices) > 1 else 0

    @property
    def n_gpus(self) -> int:
        """Distinct GPUs that they compute on."""
        return len({device for device in self.devices if device.startswith("cuda")})

    @property
    def n_on_each_device(self) -> int:
        """Processes that share a GPU, at most."""
        return max(Counter(self.devices).values())


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of a model on a device before its weights are read.

    Attributes:
        fingerprint: that of the loaded model, see `AcousticModel`.
        vocabulary: the meaning of its labels.
        device: where it runs.
        n_parameters: numbers that its weights hold.
        multiplications: for a second of audio.
        batch_s: padded seconds of audio in a batch, at most.
        batch_bytes: memory of such a batch.
        max_clips: the most clips in a batch; None for any number.
        is_to_convert: whether it is first converted for OpenVINO.
    """

    fingerprint: str
    vocabulary: Vocabulary
    device: Device
    n_parameters: int
    multiplications: float
    batch_s: float
    batch_bytes: float
    max_clips: int | None
    is_to_convert: bool

    @classmethod
    def read(cls, folder: Path, *, device: str, precision: str, language: str | None) -> NetworkFacts:
        """Read the files of a checkpoint, of its weights only the headers.

        Args:
            folder: a checkpoint in Hugging Face format.
            device, precision: see `choose_device`.
            language: which of the languages of the checkpoint; None for its default.

        Raises:
            ModelError: it cannot be loaded, or the device or precision is not available.
        """
        with reading_model(folder):
            check_checkpoint(folder)
            checkpoint = CtcCheckpoint.read(folder, language=language)
            n_parameters = n_stored(folder)
        chosen = _without_refusal(choose_device(device, precision), checkpoint)
        config = encoder_config(checkpoint.config)
        log_mel = checkpoint.log_mel
        log_mel_values = log_mel.n_mels * SAMPLE_RATE_HZ / log_mel.row_samples if log_mel else 0.0
        bytes_per_s = (
            values_per_s(config, checkpoint.grid.frame_s, log_mel_values_per_s=log_mel_values) * chosen.dtype.itemsize
        )
        batch_s = chosen.batch_s(bytes_per_s)
        return cls(
            network_fingerprint(checkpoint, chosen),
            checkpoint.vocabulary,
            chosen,
            n_parameters,
            multiplications_per_s(config),
            batch_s,
            batch_s * bytes_per_s,
            None if checkpoint.is_padding_invariant else 1,
            chosen.uses_openvino and not _is_converted(checkpoint, chosen),
        )

    def fingerprint_with(self, decoder: Decoder) -> str:
        """That of the loaded model with a decoder, see `Recognizer.fingerprint`."""
        return f"{self.fingerprint}, {decoder.fingerprint}"

    def speed(self, decoder: Any, speeds: SpeedMeter, home: Path | None, processes: Processes) -> SpeedForecast:
        """How fast it will be: as it was, where that is known, else by the time of a matrix product.

        Args:
            decoder: that writes the texts.
            speeds: measured in this process.
            home: of the models, where earlier processes remember theirs; None where it may not be read.
            processes: that compute. Those on one processor share it, so that more of them are not taken to be faster.
        """
        known_as = default_decoder()
        for hardware in self._hardware(processes):
            key = speed_key(self.fingerprint_with(known_as), hardware, decoder)
            if (measured := speeds.speed(key, home)) is not None:
                return _forecast(measured.per_s, "remembered" if measured.is_remembered else "measured")
        if processes.n_workers:
            one = self.speed(decoder, speeds, home, Processes(processes.devices[:1], processes.n_threads))
            source: SpeedSource = "calibrated" if one.source == "calibrated" else "scaled"
            return _forecast((one.per_s.value or 0.0) * max(1, processes.n_gpus), source)
        is_slow = self.device.torch_device.type == "cpu" and self.device.precision == "bfloat16"
        efficiency = _EFFICIENCY_OF_BFLOAT16_ON_CPU if is_slow else _EFFICIENCY
        network_s = self.multiplications / (efficiency * matrix_products_per_s(self.device))
        return _forecast(1 / (network_s + _HOST_S), "calibrated")

    def _hardware(self, processes: Processes) -> list[str]:
        """How `ModelDescription.hardware` may name what computes: that of workers is of the first that answers."""
        if not processes.n_workers:
            return [self.device.described]
        if self.device.torch_device.type == "cpu":
            described = [f"{self.device} ({threads_text(processes.n_threads)})"]
        else:
            devices = dict.fromkeys(processes.devices)
            described = [choose_device(device, self.device.precision).described for device in devices]
        return [f"{processes.n_workers} workers, {each}" for each in described]

    def memory(self, audio_s: float, *, language_model_bytes: int, processes: Processes) -> MemoryForecast:
        """How much memory it takes to transcribe `audio_s` seconds of audio with some `processes`."""
        n_computing = len(processes.devices)
        itemsize = _INT8_BYTES if self.device.precision == "int8" else self.device.dtype.itemsize
        share_s = audio_s / n_computing
        n_batches = min(n_streams(self.device, processes.n_threads), share_s / self.batch_s)  # at a time
        network_bytes = self.n_parameters * itemsize + n_batches * self.batch_bytes
        decoded_bytes = min(2 * Limits().pool_bytes, 4 * SAMPLE_RATE_HZ * share_s)
        host_bytes = n_computing * (_LIBRARY_BYTES + decoded_bytes + language_model_bytes)
        if processes.n_workers:
            host_bytes += _LIBRARY_BYTES  # of this process, which hands out the clips
        if self.device.torch_device.type == "cpu":
            return MemoryForecast(host_bytes + n_computing * network_bytes, None)
        of_each_bytes = network_bytes + (_CUDA_CONTEXT_BYTES if self.device.is_cuda else 0)
        return MemoryForecast(host_bytes, processes.n_on_each_device * of_each_bytes)


def _without_refusal(device: Device, checkpoint: CtcCheckpoint) -> Device:
    """The device, where torch takes the place of OpenVINO if that is known not to run the network."""
    if not device.uses_openvino:
        return device
    from .recognizer.openvino.export import refusal

    is_refused = refusal(checkpoint, int8=device.precision == "int8") is not None
    return replace(device, uses_openvino=not is_refused)


def _is_converted(checkpoint: CtcCheckpoint, device: Device) -> bool:
    from .recognizer.openvino.export import is_written

    return is_written(checkpoint, int8=device.precision == "int8")


def default_decoder() -> Decoder:
    """That of a network whose options ask for no other, see `Recognizer.default_decoder`."""
    return GreedyDecoder()


def _forecast(per_s: float, source: SpeedSource) -> SpeedForecast:
    factor = _FACTORS[source]
    return SpeedForecast(Estimate(per_s, per_s / factor, per_s * factor), source)
