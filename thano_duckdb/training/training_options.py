"""What a build is asked to do, checked before anything is read or computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from thano_duckdb.audio.failure import AudioFailure
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ThanoError, brief_location
from thano_duckdb.option import Option, StatementKind
from thano_duckdb.options import find_option

from .spill_file import SpilledClip

_HELD_OUT = "rows that are held out: add a validation_split, such as 0.1"

# Options that change nothing about the resulting model: a build resumes although they have changed.
_WITHOUT_INFLUENCE = ("overwrite", "resume", "on_error", "max_bytes", "max_duration", "timeout")


@dataclass(frozen=True)
class Example:
    """A row to train on.

    Attributes:
        audio: a clip, or its path, URL (str) or content (bytes); one whose BLOB is in a file; the reason why there is
            none; or None for NULL.
        text: its transcript as people write it, or None.
        group: the value of `split_by`, NULL being one; None without `split_by`.
    """

    audio: Clip | SpilledClip | str | bytes | AudioFailure | None
    text: str | None
    group: tuple[str | None] | None = None

    @property
    def clip(self) -> Clip | AudioFailure | None:
        """The clip of `audio`, with its BLOB in memory."""
        if isinstance(self.audio, SpilledClip):
            return self.audio.read()
        return Clip.of(self.audio) if isinstance(self.audio, str | bytes) else self.audio

    @property
    def location(self) -> str:
        """The path or URL of its clip for messages; `NULL`, or empty where there is another reason for no clip."""
        audio = self.audio.clip if isinstance(self.audio, SpilledClip) else self.clip
        return "NULL" if audio is None else brief_location(audio.location) if isinstance(audio, Clip) else ""


def _option(name: str) -> Option:
    return find_option(StatementKind.BUILD, name)


def _default(name: str) -> Any:
    return _option(name).default


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of BUILD and FIT, with the defaults and the ranges of `thano_duckdb.options`.

    Attributes:
        epochs: passes over the rows; None: as many as suit the network (see `Schedule`).
        batch_size: clips in a batch at most; None fills batches by seconds of audio.
        learning_rate: the highest, after the warm-up and before the linear decay over the second half.
        warmup_ratio: share of the steps over which the learning rate rises from 0; None: as suits the network.
        validation_split: share of the rows that is held out and evaluated after each epoch.
        keep: the epoch that is published: 'best' on the held-out rows, or 'last'; None: 'best' if there are any.
        patience: epochs without improvement on the held-out rows after which the training stops; None: never.
        seed: of the order of the rows, the augmentation, dropout, and, from scratch, the weights.
        freeze_feature_encoder: leave the convolutions as they are; None means so unless from scratch.
        mask_time_prob: SpecAugment: share of the frames of each clip that is masked.
        from_scratch: start from random weights, with the shape and the alphabet of the base.
        new_alphabet: make an alphabet from the texts; None: where `alphabet` is given, or the base has no vocabulary.
        alphabet: what a new alphabet is made of: `characters`, `jamo`, or the tokens themselves; None: `characters`.
        keep_case: whether capitals are letters of a new alphabet.
        augment: train on each clip also slower, faster, in rooms, by telephone and in noise; None: only from scratch.
        gradient_accumulation: batches in a step.
        overwrite: publish a new version where the name is taken.
        resume: continue from the last checkpoint of the same build.
        start, stop: the part of each clip in seconds; None for its beginning, and for its end.
        audio_track: which of the tracks with sound of a video is learned from, counted from 1.
        channel: the one to train on, counted from 1, or `mix`.
        max_bytes, max_duration, timeout: limits on reading one clip.
        on_unwritable: 'drop' drops the characters that the alphabet lacks from a text, 'skip' skips its row.
        on_error: 'null' skips unreadable clips with a warning, 'fail' stops at the first.
        device: `auto`, `cpu`, `cuda`, `cuda:0` or `mps`.
        precision: `auto`, `float32`, `bfloat16` or `float16`.
        level: 'robust' or 'exact', as in recognition.
        language: the one to train, of a base that has many; None for its default.
    """

    epochs: int | None = _default("epochs")
    batch_size: int | None = _default("batch_size")
    learning_rate: float = _default("learning_rate")
    warmup_ratio: float | None = _default("warmup_ratio")
    validation_split: float = _default("validation_split")
    keep: str | None = _default("keep")
    patience: int | None = _default("patience")
    seed: int = _default("seed")
    freeze_feature_encoder: bool | None = _default("freeze_feature_encoder")
    mask_time_prob: float = _default("mask_time_prob")
    from_scratch: bool = _default("from_scratch")
    new_alphabet: bool | None = _default("new_alphabet")
    alphabet: Sequence[str] | None = _default("alphabet")
    keep_case: bool = _default("keep_case")
    augment: bool | None = _default("augment")
    gradient_accumulation: int = _default("gradient_accumulation")
    overwrite: bool = _default("overwrite")
    resume: bool = _default("resume")
    start: float | None = _default("start")
    stop: float | None = _default("stop")
    audio_track: int = _default("audio_track")
    channel: int | str = _default("channel")
    max_bytes: int | None = _default("max_bytes")
    max_duration: float | None = _default("max_duration")
    timeout: float | None = _default("timeout")
    on_unwritable: str = _default("on_unwritable")
    on_error: str = _default("on_error")
    device: str = _default("device")
    precision: str = _default("precision")
    level: Literal["robust", "exact"] = _default("level")
    language: str | None = _default("language")

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ThanoError: one is of another type, out of range, or not one of the choices, or needs rows to be held out.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, _option(field.name).accept(value))
        if not self.validation_split:
            if self.patience is not None:
                raise ThanoError(f"option 'patience' compares the epochs on {_HELD_OUT}")
            if self.keep == "best":
                raise ThanoError(f"option 'keep' compares the epochs on {_HELD_OUT}")

        if self.alphabet is not None and not self.alphabet:
            raise ThanoError("The option 'alphabet' lists no token.")
        if self.new_alphabet is False and self.alphabet is not None:
            raise ThanoError("option 'alphabet' describes a new alphabet, but new_alphabet=False keeps the old one")

    def makes_alphabet(self, *, has_vocabulary: bool) -> bool:
        """Whether the model gets a new alphabet.

        Raises:
            ThanoError: it does not, but has no other or `keep_case` is set.
        """
        if self.new_alphabet is False and not has_vocabulary:
            raise ThanoError("the base has no vocabulary that new_alphabet=False could keep")
        makes_one = not has_vocabulary or self.alphabet is not None if self.new_alphabet is None else self.new_alphabet
        if self.keep_case and not makes_one:
            raise ThanoError("option 'keep_case' is about a new alphabet: add new_alphabet=True")
        return makes_one

    @property
    def keeps_best(self) -> bool:
        """Whether the best epoch is published, and not the last."""
        return (self.keep or ("best" if self.validation_split else "last")) == "best"

    @property
    def freezes_feature_encoder(self) -> bool:
        """Whether the convolutions stay as they are."""
        return not self.from_scratch if self.freeze_feature_encoder is None else self.freeze_feature_encoder

    @property
    def augments(self) -> bool:
        """Whether training also uses altered copies of the clips."""
        return self.from_scratch if self.augment is None else self.augment

    @property
    def read_limits(self) -> ReadLimits:
        """What reading one clip may take."""
        return ReadLimits(self.max_bytes, self.max_duration, self.timeout)

    def influential(self) -> dict[str, Any]:
        """What the outcome depends on."""
        return {name: value for name, value in asdict(self).items() if name not in _WITHOUT_INFLUENCE}
