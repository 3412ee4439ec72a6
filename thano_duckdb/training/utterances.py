"""The usable rows of a build, in columns: a million of them as Python objects would take gigabytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.speech.alphabet import Alphabet, Labels

from .training_options import Example

HASH_BYTES = 16


@dataclass(frozen=True)
class Utterance:
    """A row to train on or to evaluate on.

    Attributes:
        row: its number among the rows of the query, by which its decoded audio is kept.
        key: a hash of its content.
        example: its row.
        labels: its transcript in the alphabet of the model.
        n_samples: its length at 16 kHz.
        recording: a hash of its samples, the same for every path and format of the same recording.
    """

    row: int
    key: bytes
    example: Example
    labels: Labels
    n_samples: int
    recording: bytes

    @property
    def source(self) -> Clip:
        """Its audio; a BLOB is read again each time."""
        clip = self.example.clip
        assert clip is not None
        assert not isinstance(clip, AudioFailure)
        return clip

    @property
    def text(self) -> str:
        """Its transcript, as in the row."""
        assert self.example.text is not None
        return self.example.text

    @property
    def group(self) -> tuple[str | None] | None:
        """See `Example`."""
        return self.example.group


@dataclass(frozen=True, eq=False)
class Utterances(Sequence[Utterance]):
    """Usable rows, each of which becomes an `Utterance` when it is looked at.

    Attributes:
        examples: all rows of the query.
        alphabet: of the model.
        rows: (n,) the numbers of the usable ones in `examples`.
        keys: (n, 16) their `Utterance.key`.
        n_samples: (n,) their lengths at 16 kHz.
        n_labels: (n,) the lengths of their labels.
        recordings: (n, 16) their `Utterance.recording`.
    """

    examples: Sequence[Example]
    alphabet: Alphabet
    rows: NDArray[np.int64]
    keys: NDArray[np.uint8]
    n_samples: NDArray[np.int64]
    n_labels: NDArray[np.int32]
    recordings: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> Utterances: ...
    def __getitem__(self, index: int | slice) -> Utterance | Utterances:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        row = int(self.rows[index])
        example = self.examples[row]
        return Utterance(
            row,
            self.keys[index].tobytes(),
            example,
            self.alphabet.labels(example.text or ""),
            int(self.n_samples[index]),
            self.recordings[index].tobytes(),
        )

    def take(self, chosen: NDArray[np.int64]) -> Utterances:
        """Some of the utterances, by their indices."""
        columns = (self.rows, self.keys, self.n_samples, self.n_labels, self.recordings)
        return Utterances(self.examples, self.alphabet, *(column[chosen] for column in columns))  # type: ignore[arg-type]
