"""What the engine needs of a model: the seam behind which a model family lives.

The engine knows clips, threads, batches, memory and caches. What a clip becomes before it enters a network, what comes
out for a window, how windows join and how text is written are the recognizer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.decoding.decoder import Decoder, Hypothesis
from thano_duckdb.speech.device import Device

Window = TypeVar("Window")
"""What goes through the network at once: a clip, or a part of a long one."""
Output = TypeVar("Output")
"""What the network gives for a window, and for a clip once its windows are joined."""


@dataclass(frozen=True)
class Refusal:
    """Why a clip, or a window of it, cannot be transcribed: one sentence."""

    reason: str


@dataclass(frozen=True)
class PreparedClip(Generic[Window]):
    """A clip ready for the network.

    Attributes:
        windows: in order; one, unless the clip is long.
        n_bytes: memory that they hold.
    """

    windows: tuple[Window, ...]
    n_bytes: int


class Recognizer(Protocol[Window, Output]):
    """A loaded model. Any thread may call it.

    `CtcRecognizer` is the one there is; a sequence-to-sequence model would be another.
    """

    @property
    def device(self) -> Device:
        """Where the network runs."""

    @property
    def max_clips(self) -> int | None:
        """Windows in a batch at most; None for no such limit."""

    @property
    def max_batch_samples(self) -> int:
        """Cost of a batch (see `plan_batches`) that suits the device to begin with."""

    def fingerprint(self, decoder: Decoder) -> str:
        """Changes with whatever changes the texts: the checkpoint, the precision, the decoder."""

    def prepare(self, samples: NDArray[np.float32]) -> PreparedClip[Window] | Refusal:
        """A clip, mono at 16 kHz, ready for the network; or the reason why it cannot be transcribed."""

    def n_samples(self, window: Window) -> int:
        """Length of a window."""

    def silence(self) -> Window:
        """A window of silence, which any network must be able to compute."""

    def run(self, batch: Sequence[Window], decoder: Decoder, monitor: Monitor) -> list[Output | Refusal]:
        """What the network gives for each window of a batch, as far as `decoder` needs it; or why it gives nothing.

        Raises:
            OutOfMemory: the device has no room for the batch.
            Cancelled: `monitor` says so.
            RuntimeError: the network cannot compute it.
        """

    def join(self, clip: PreparedClip[Window], outputs: Sequence[Output]) -> Output:
        """The outputs of the windows of a clip as that of the clip."""

    def write(self, outputs: Sequence[Output], decoder: Decoder) -> list[Hypothesis]:
        """The texts of any number of clips; the more at a time, the less a clip costs."""
