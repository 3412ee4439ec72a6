"""Runs a build, from its rows to the published model in the registry."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import shutil
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from thano_duckdb.audio.decode import AudioFailure, Waveform, decode
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.mixed_clips import MixedClips
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import ModelInUseError, ThanoError, counted
from thano_duckdb.models import tiny
from thano_duckdb.models.checkpoint import check_checkpoint, copy_language_model, has_vocabulary
from thano_duckdb.models.processor_files import name_processor
from thano_duckdb.models.registry import ModelEntry, Registry
from thano_duckdb.monitoring.training_monitor import EpochMetrics, TrainingMonitor
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.speech.libraries import require_libraries
from thano_duckdb.speech.recognizer.audio_settings import read_audio_settings
from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint
from thano_duckdb.speech.recognizer.vocabulary_files import tokens_without_output
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ
from thano_duckdb.version import __version__

from .audio_store import AudioStore, free_share
from .build_folder import BuildFolder, BuildLock
from .comparison import Comparison, warning_without_base
from .corpus import NO_ROWS, Corpus, prepare_corpus
from .new_alphabet import NewAlphabet, make_alphabet
from .schedule import Schedule
from .spill_file import SpillFile
from .training_options import Example, TrainingOptions

if TYPE_CHECKING:
    from .network import CtcNetwork
    from .run import TrainingResult

# Files of the base that are copied to the new model, the latter not where it gets an alphabet of its own.
_INHERITED = ("LICENSE*", "NOTICE*")
_INHERITED_WITH_ALPHABET = (
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
)
_LIBRARIES = ("torch", "transformers", "accelerate", "duckdb", "numpy", "soxr", "soundfile")
N_NAMED = 10
"""Letters that a warning names; it only counts the others."""
_POLL_S = 0.1

# One build at a time: Trainer's accelerator and the random state belong to the process.
_build_lock = threading.Lock()


@dataclass(frozen=True)
class Base:
    """The model that a build starts from.

    Attributes:
        name: its name, as the user wrote it.
        folder: its checkpoint; None for the small model, which is trained from scratch.
    """

    name: str
    folder: Path | None


@dataclass(frozen=True)
class BuildResult:
    """A published model, which is as it was after `kept_epoch`, and the metrics of all its epochs."""

    entry: ModelEntry
    metrics: tuple[EpochMetrics, ...]
    kept_epoch: int
    comparison: Comparison | None


def build_model(
    name: str,
    base: Base,
    options: TrainingOptions,
    examples: Sequence[Example],
    registry: Registry,
    monitor: TrainingMonitor,
    *,
    sql: str | None = None,
    read_limits: ReadLimits | None = None,
) -> BuildResult:
    """Train a model on rows and publish it, or continue the same build if it was stopped earlier.

    Args:
        name: the name of the new model.
        base: the model that provides the weights or, from scratch, only the architecture.
        options: how to train.
        examples: the rows; the result does not depend on their order.
        registry: where the model is published, and where checkpoints are kept until then.
        monitor: receives progress; asked within each step whether to stop.
        sql: the statement, for the lineage.
        read_limits: on reading one clip, in place of those of `options`.

    Raises:
        ThanoError: the options, the rows or the base are invalid; raised before training starts.
        RegistryError: the name is taken or being built, or the model home is not writable.
        Cancelled: `monitor` was cancelled; the same call continues from the last checkpoint.
    """
    name = registry.free_name(name, overwrite=options.overwrite)
    require_libraries()
    build = _Build(name, base, _resolve_device(options), registry, monitor, sql, read_limits or options.read_limits)
    with _one_at_a_time(monitor), _staged(registry, name) as staging:
        return build.run(examples, staging)


@contextmanager
def _one_at_a_time(monitor: TrainingMonitor) -> Iterator[None]:
    while not _build_lock.acquire(timeout=_POLL_S):
        monitor.raise_if_cancelled()
    try:
        yield
    finally:
        _build_lock.release()


@contextmanager
def _staged(registry: Registry, name: str) -> Iterator[Path]:
    """Lock and return the staging folder for builds of a name."""
    key = hashlib.blake2b(name.casefold().encode(), digest_size=8).hexdigest()
    lock = BuildLock(registry.home, key)
    with ExitStack() as stack:
        try:
            staging = stack.enter_context(registry.stage(key))
        except ModelInUseError:
            raise lock.error(name) from None
        lock.claim()
        yield staging


@dataclass(frozen=True)
class _Build:
    name: str
    base: Base
    options: TrainingOptions
    registry: Registry
    monitor: TrainingMonitor
    sql: str | None
    read_limits: ReadLimits

    def run(self, examples: Sequence[Example], staging: Path) -> BuildResult:
        from .run import seeded_network, train
        from .trainer import check_single_process

        check_single_process()
        mixed_clips = MixedClips()
        with ExitStack() as stack:
            store = stack.enter_context(
                AudioStore(
                    SpillFile(self.registry.temporary_file()),
                    max_bytes=free_share(staging),
                    decoder=functools.partial(self._decode, mixed_clips),
                )
            )
            template = self.base.folder
            if template is None:
                template = Path(stack.enter_context(TemporaryDirectory(prefix="thano-")))
                tiny.write_tiny(template)
            alphabet = self._new_alphabet(template, examples)
            network = stack.enter_context(seeded_network(template, self.options, alphabet))
            schedule = Schedule.of(self.options, has_new_head=network.has_new_head)
            corpus = prepare_corpus(
                examples,
                Alphabet(network.vocabulary),
                network.grid,
                store,
                validation_split=self.options.validation_split,
                seed=self.options.seed,
                fail_on_error=self.options.on_error == "fail",
                skip_unwritable=self.options.on_unwritable == "skip",
                monitor=self.monitor,
            )
            folder = BuildFolder(staging, self._identity(corpus, network), resume=self.options.resume)
            if self._is_published(folder.run):
                folder.restart()
            of_alphabet = alphabet.describe() if alphabet else _describe_unwritten(template, network)
            notes = [*filter(None, [of_alphabet]), *corpus.warnings]
            for note in notes:
                self.monitor.warned(note)
            if mixed_clips:
                self.monitor.warned(mixed_clips.warning())
            training = train(network, corpus, store, folder, self.options, schedule, self.monitor)
            result = folder.make_empty(folder.result)
            network.save(result)
            for pattern in _INHERITED if alphabet else (*_INHERITED, *_INHERITED_WITH_ALPHABET):
                for path in template.glob(pattern):
                    shutil.copyfile(path, result / path.name)
            if alphabet:
                alphabet.write(result, read_audio_settings(template))
            elif network.language:
                network.save_language(result)
            if not (alphabet or self.options.from_scratch):
                copy_language_model(template, result)
            name_processor(result)
        check_checkpoint(result)
        comparison = training.comparison
        kept = training.metrics[training.kept_epoch - 1]
        warning = (
            comparison.warning(schedule.learning_rate)
            if comparison
            else warning_without_base(kept.train_loss, _loss_of_guessing(corpus, network), schedule.learning_rate)
        )
        if warning:
            self.monitor.warned(warning)
            notes.append(warning)
        entry = self.registry.publish(
            result,
            self.name,
            kind="built",
            base=self.base.name,
            lineage=self._lineage(corpus, training, schedule, notes, folder.run),
            overwrite=self.options.overwrite,
            description=self._description(corpus, training),
        )
        folder.remove()
        return BuildResult(entry, training.metrics, training.kept_epoch, comparison)

    def _decode(self, mixed_clips: MixedClips, clip: Clip) -> Waveform | AudioFailure:
        decoded = decode(clip, limits=self.read_limits)
        if isinstance(decoded, Waveform) and decoded.mix_problem is not None:
            mixed_clips.add(clip.location, decoded.mix_problem)
        return decoded

    def _new_alphabet(self, template: Path, examples: Sequence[Example]) -> NewAlphabet | None:
        """The alphabet of the new model; None where it keeps that of its base."""
        if not self.options.makes_alphabet(has_vocabulary=has_vocabulary(template)):
            return None
        if not examples:
            raise ThanoError(NO_ROWS)
        wanted = ["characters"] if self.options.alphabet is None else self.options.alphabet
        return make_alphabet(_Texts(examples), wanted, keep_case=self.options.keep_case)

    def _identity(self, corpus: Corpus, network: CtcNetwork) -> str:
        """A hash of everything that the result of the build depends on."""
        folder = self.base.folder
        parts = [
            self.base.name,
            fingerprint(folder, network.language) if folder else __version__,
            self.options.influential(),
            corpus.digest,
            network.vocabulary.tokens,  # a new alphabet also depends on the texts of rows that are skipped
        ]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _is_published(self, run: str) -> bool:
        """Whether an earlier process published the model of this run, but died before it removed the folder."""
        entry = self.registry.find(self.name)
        return entry is not None and entry.lineage.get("run") == run

    def _lineage(
        self, corpus: Corpus, training: TrainingResult, schedule: Schedule, notes: list[str], run: str
    ) -> dict[str, Any]:
        return {
            "run": run,
            "base": self.base.name,
            "sql": self.sql,
            "options": dataclasses.asdict(self.options) | dataclasses.asdict(schedule),
            "rows": {
                "hash": corpus.digest,
                "train": len(corpus.train),
                "validation": len(corpus.validation),
                "skipped": corpus.n_skipped,
                "hours": _hours(corpus),
            },
            "notes": notes,
            "libraries": {"thano_duckdb": __version__} | {name: metadata.version(name) for name in _LIBRARIES},
            "metrics": [dataclasses.asdict(epoch) for epoch in training.metrics],
            "kept_epoch": training.kept_epoch,
            "comparison": training.comparison.to_json() if training.comparison else None,
        }

    def _description(self, corpus: Corpus, training: TrainingResult) -> str:
        how = "trained from scratch with the architecture of" if self.options.from_scratch else "fine-tuned from"
        rows = f"{counted(len(corpus.train), 'clip')} ({_hours(corpus):.2f} h)"
        epoch = f"epoch {training.kept_epoch} of {len(training.metrics)}"
        achieved = f": {training.comparison.describe()}" if training.comparison else ""
        return f"{how} {self.base.name} on {rows}, {epoch}{achieved}"


@dataclass(frozen=True)
class _Texts:
    """The texts of all rows, as often as they are iterated over."""

    examples: Sequence[Example]

    def __iter__(self) -> Iterator[str]:
        return (example.text for example in self.examples if example.text)


def _loss_of_guessing(corpus: Corpus, network: CtcNetwork) -> float:
    """The most that a network can lose, per label of the rows, if it takes all labels of a frame for equally likely."""
    log_n_labels = math.log(len(network.vocabulary.tokens))
    lengths = zip(corpus.train.n_samples.tolist(), corpus.train.n_labels.tolist(), strict=True)
    return statistics.fmean(
        network.grid.n_frames(n_samples) * log_n_labels / n_labels for n_samples, n_labels in lengths
    )


def _describe_unwritten(folder: Path, network: CtcNetwork) -> str | None:
    """One sentence that names the letters of a vocabulary for which its network has no output; None without any."""
    n_labels = len(network.vocabulary.tokens)
    if not (tokens := tokens_without_output(folder, n_labels, network.language)):
        return None
    named = ", ".join(map(repr, tokens[:N_NAMED])) + (f" and {len(tokens) - N_NAMED} more" if tokens[N_NAMED:] else "")
    return (
        f"the new model cannot write {named}: the vocabulary of its base has {counted(len(tokens), 'token')} more than "
        f"its {n_labels} outputs. OPTIONS (new_alphabet=True) gives it an alphabet made from the texts"
    )


def _resolve_device(options: TrainingOptions) -> TrainingOptions:
    from thano_duckdb.speech.device import choose_device

    device = choose_device(options.device, options.precision, for_training=True)
    return dataclasses.replace(
        options, device=device.torch_device.type, precision=str(device.dtype).removeprefix("torch.")
    )


def _hours(corpus: Corpus) -> float:
    return int(corpus.train.n_samples.sum()) / SAMPLE_RATE_HZ / 3600
