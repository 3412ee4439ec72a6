"""What a build is asked to do, checked before anything is read or computed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from thano_duckdb.errors import ThanoError

# What changes nothing about the model that comes out of a build, so that the build resumes although they changed.
_WITHOUT_INFLUENCE = ("overwrite", "resume", "on_error")


@dataclass(frozen=True)
class Example:
    """A row to train on.

    Attributes:
        audio: path or URL (str), content of a file (bytes), or None.
        text: what is said in it, as people write it, or None.
    """

    audio: str | bytes | None
    text: str | None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of BUILD and FIT.

    Attributes:
        epochs: passes over the rows.
        batch_size: clips in a batch at most; None fills batches by seconds of audio.
        learning_rate: the highest, after the warm-up and before the linear decay over the second half.
        warmup_ratio: share of the steps over which the learning rate rises from 0.
        validation_split: share of the rows that is held out and judged after each epoch.
        seed: of the order, the augmentation, dropout, and, from scratch, the weights.
        freeze_feature_encoder: leave the convolutions as they are; None means so unless from scratch.
        mask_time_prob: SpecAugment: share of the frames of each clip that is masked.
        from_scratch: start from random weights, with the shape and the alphabet of the base.
        augment: hear each clip also slower, faster, in rooms, by telephone and in noise; None means only from scratch.
        gradient_accumulation: batches in a step.
        overwrite: publish a new version where the name is taken.
        resume: go on from the last checkpoint of the same build.
        on_error: 'null' skips unreadable clips with a warning, 'fail' stops at the first.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `float32`, `bfloat16` or `float16`.
    """

    epochs: int = 5
    batch_size: int | None = None
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.1
    validation_split: float = 0.0
    seed: int = 0
    freeze_feature_encoder: bool | None = None
    mask_time_prob: float = 0.05
    from_scratch: bool = False
    augment: bool | None = None
    gradient_accumulation: int = 1
    overwrite: bool = False
    resume: bool = True
    on_error: str = "null"
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ThanoError: one is out of range.
        """
        _check("epochs", self.epochs, self.epochs >= 1, "at least 1")
        _check("batch_size", self.batch_size, self.batch_size is None or self.batch_size >= 1, "at least 1")
        _check(
            "learning_rate", self.learning_rate, self.learning_rate > 0 and math.isfinite(self.learning_rate), "above 0"
        )
        _check("warmup_ratio", self.warmup_ratio, 0 <= self.warmup_ratio <= 1, "between 0 and 1")
        _check("validation_split", self.validation_split, 0 <= self.validation_split < 1, "from 0 to below 1")
        _check("seed", self.seed, 0 <= self.seed < 2**32, "between 0 and 4294967295")
        _check("mask_time_prob", self.mask_time_prob, 0 <= self.mask_time_prob <= 1, "between 0 and 1")
        _check("gradient_accumulation", self.gradient_accumulation, self.gradient_accumulation >= 1, "at least 1")
        _check("on_error", self.on_error, self.on_error in ("null", "fail"), "'null' or 'fail'")

    @property
    def freezes_feature_encoder(self) -> bool:
        """Whether the convolutions stay as they are."""
        return not self.from_scratch if self.freeze_feature_encoder is None else self.freeze_feature_encoder

    @property
    def augments(self) -> bool:
        """Whether clips are also heard slower and faster."""
        return self.from_scratch if self.augment is None else self.augment

    def influential(self) -> dict[str, Any]:
        """What the outcome depends on."""
        return {name: value for name, value in asdict(self).items() if name not in _WITHOUT_INFLUENCE}


def _check(name: str, value: object, is_right: bool, wanted: str) -> None:
    if not is_right:
        raise ThanoError(f"option '{name}' is {value!r}; it must be {wanted}")
