"""The interface between the engine and a family of models.

The engine takes care of clips, threads, batches, memory and caches. A recognizer prepares a clip for its network, runs
windows through it, joins the outputs of the windows, and decodes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import Hypothesis
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.device import Device

from .level import Level

Window = TypeVar("Window")
"""The input of the network: a clip, or a part of a long clip."""
Output = TypeVar("Output")
"""The output of the network for a window, or for a clip once its windows are joined."""
Decoder = TypeVar("Decoder")
"""How texts are written: for a CTC model a `decoding.decoder.Decoder`; another family has its own."""


@dataclass(frozen=True)
class ClipFailure:
    """Why a clip, or a window of it, cannot be transcribed: one sentence."""

    reason: str


@dataclass(frozen=True)
class PreparedClip(Generic[Window]):
    """A clip ready for the network.

    Attributes:
        windows: in order; a single one unless the clip is long; none if it is long and silent.
        n_bytes: the memory they take.
        n_samples: length of the clip, skipped silence included.
    """

    windows: tuple[Window, ...]
    n_bytes: int
    n_samples: int


class ModelDescription(Protocol):
    """What is known of a model wherever it is loaded."""

    @property
    def default_decoder(self) -> Any:
        """The decoder of a statement that does not choose one."""

    @property
    def vocabulary(self) -> Vocabulary:
        """What its labels mean."""

    @property
    def precision(self) -> str:
        """The precision in which the network computes: texts may depend on it, and not on the device."""

    @property
    def hardware(self) -> str:
        """The device and the processor, or the devices, that compute: speeds depend on them."""

    @property
    def notice(self) -> str | None:
        """What the user may not expect of how it runs, to follow its name; None where there is nothing."""

    def fingerprint(self, decoder: Any) -> str:
        """Identifies everything that influences the texts: the checkpoint, the precision, the decoder."""


class Recognizer(ModelDescription, Protocol[Window, Output, Decoder]):
    """A loaded model. Any thread may call it.

    `CtcRecognizer` is the only one so far; a sequence-to-sequence model would be another.
    """

    @property
    def default_decoder(self) -> Decoder:
        """See `ModelDescription`."""

    @property
    def device(self) -> Device:
        """The device on which the network runs."""

    @property
    def max_clips(self) -> int | None:
        """The most windows in a batch; None for no such limit."""

    @property
    def max_passes(self) -> int | None:
        """How many passes run at a time, at most; None for as many as there are cores."""

    @property
    def max_batch_samples(self) -> int:
        """The highest cost of a batch (see `plan_batches`) to start with on this device."""

    def prepare(
        self, samples: NDArray[np.float32], *, skip_silence: bool = True, level: Level = "robust"
    ) -> PreparedClip[Window] | ClipFailure:
        """Prepare a clip (mono, 16 kHz) for the network, or say why it cannot be transcribed.

        Args:
            samples: of the clip.
            skip_silence: whether the silence of a long clip is omitted from its windows.
            level: whether the level of the clip is made even first (`level`).
        """

    def n_samples(self, window: Window) -> int:
        """The length of a window."""

    def silence(self) -> Window:
        """A window of silence, which any working network can process."""

    def run(self, batch: Sequence[Window], decoder: Decoder, monitor: Monitor) -> list[Output | ClipFailure]:
        """The output of the network for each window of a batch, as much as `decoder` needs, or why there is none.

        Raises:
            OutOfMemory: the batch does not fit in the memory of the device.
            Cancelled: `monitor` was cancelled.
            RuntimeError: the network fails on the batch.
        """

    def join(self, clip: PreparedClip[Window], outputs: Sequence[Output]) -> Output:
        """Join the outputs of the windows of a clip into the output for the whole clip."""

    def decode(self, outputs: Sequence[Output], decoder: Decoder) -> list[Hypothesis]:
        """The texts of any number of clips; decoding many at a time is faster per clip."""
