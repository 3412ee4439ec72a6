"""`LanguageModel`: a word n-gram model in a file, as the registry, a folder or a path gives it."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief, counted, did_you_mean
from thano_duckdb.model_name import split_version
from thano_duckdb.models import bundled
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL as BUNDLED
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL_OF_A_MODEL as OF_THE_MODEL
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_FOLDER, ngram_file, ngram_files, read_json
from thano_duckdb.models.registry import ModelEntry, Registry
from thano_duckdb.models.resolve import is_path, local_folder, refuse_address
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option

from .model_file import WORDS_FILE, ModelFile, content_fingerprint, read_model_file

ATTRIBUTES_FILE = "attrs.json"
"""What `Wav2Vec2ProcessorWithLM` writes beside the n-grams: `alpha` and `beta` among others."""
_DIGIT = re.compile(r"\d")
MIN_SHARE_SPELT = 0.5
"""Of the words: below it a language model is taken for one of another language or alphabet."""


@dataclass(frozen=True)
class LanguageModel:
    """A word n-gram model in a file.

    Attributes:
        name: what the user calls it: a registered name, `en`, or a path.
        path: an ARPA file, one compressed by gzip, or a KenLM binary.
        order: the longest n-gram.
        fingerprint: of the content of the file: two models with the same one score alike.
        is_binary: whether it is a KenLM binary.
        is_upper_case: whether its words are written in capitals, as those of some corpora are; else in small letters.
        lm_weight: the weight beside the acoustic score that it was tuned for (alpha in pyctcdecode); None if unknown.
        word_score: what each word of a transcript earns (beta in pyctcdecode); None if unknown.
        description: one line.
        is_kept: whether the file is one of the registry or of this package, which nobody writes to; another may be
            truncated or written over at any time.
        is_checked: whether all of an ARPA file was read before, by BUILD or UPLOAD LANGUAGE MODEL.
    """

    name: str
    path: Path
    order: int
    fingerprint: str
    is_binary: bool = False
    is_upper_case: bool = False
    lm_weight: float | None = None
    word_score: float | None = None
    description: str = ""
    is_kept: bool = field(default=False, compare=False)
    is_checked: bool = field(default=False, compare=False)
    _file: ModelFile = field(repr=False, compare=False, kw_only=True)

    @classmethod
    def open(
        cls, name: str, path: Path, *, description: str = "", is_kept: bool = False, is_checked: bool = False
    ) -> LanguageModel:
        """Look at a file, and at what lies beside it; its content is read once as long as it does not change.

        Args:
            name: what the user calls it.
            path: of the file.
            description: one line; by default its order and the size of its vocabulary.
            is_kept, is_checked: see `LanguageModel`.

        Raises:
            ModelError: there is no such file, it is no language model, or it is damaged.
        """
        file = read_model_file(path)
        beside = path.with_name(ATTRIBUTES_FILE)
        attributes = _attributes(beside)
        return cls(
            name,
            path,
            file.order,
            file.fingerprint,
            is_binary=file.is_binary,
            is_upper_case=file.is_upper_case,
            lm_weight=_weight(attributes, "alpha", "lm_weight", beside),
            word_score=_weight(attributes, "beta", "word_score", beside),
            description=description or f"{file.order}-gram model of {file.n_words:,} words",
            is_kept=is_kept,
            is_checked=is_checked,
            _file=file,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file by its path: it may have millions of words, and is loaded once there."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "_file"}
        return _open_again, (given | {"path": self.path.absolute()},)

    def unigrams(self) -> tuple[str, ...] | None:
        """The words that it knows, without <s>, </s> and <unk>; None for a KenLM binary that was made without them."""
        return self._file.words

    def is_equal_to(self, copy: Path) -> bool:
        """Whether a copy of its file has the content that the file had when this was opened.

        Raises:
            OSError: the copy cannot be read.
        """
        return self.fingerprint.startswith(content_fingerprint(copy))

    def check_alphabet(self, characters: Collection[str]) -> None:
        """Refuse it where a recognizer cannot write its words.

        Args:
            characters: what the recognizer writes, in any case.

        Raises:
            ModelError: less than half of its words, apart from numbers, can be written in them.
        """
        words = self.unigrams()
        if not words:
            return
        alphabet = {character.casefold() for character in characters}
        candidates = [word for word in words if not _DIGIT.search(word)]
        n_spelt = sum(alphabet.issuperset(word.casefold()) for word in candidates)
        if not n_spelt or n_spelt < MIN_SHARE_SPELT * len(candidates):
            example = next((word for word in candidates if not alphabet.issuperset(word.casefold())), words[0])
            raise ModelError(
                f"the language model '{self.name}' does not fit: the acoustic model can spell {n_spelt:,} of its "
                f"{counted(len(words), 'word')}, and not '{example[:40]}', for example; it is for another language or "
                "alphabet"
            )

    def unwritable(self, characters: Collection[str]) -> list[str]:
        """Its words that a recognizer never writes, because of digits, accents or capitals.

        Args:
            characters: what the recognizer writes.
        """
        alphabet, to_case = set(characters), str.upper if self.is_upper_case else str.lower
        if not any(char != char.swapcase() and char.swapcase() in alphabet for char in alphabet):
            alphabet = set(map(to_case, alphabet))  # it writes one case, which stands for both
        return [word for word in self.unigrams() or () if not alphabet.issuperset(word)]


def _open_again(given: dict[str, Any]) -> LanguageModel:
    """A language model that another process has opened.

    Raises:
        ModelError: its file is missing here, or has other content.
    """
    file = read_model_file(given["path"])
    if file.fingerprint != given["fingerprint"]:
        raise ModelError(f"the language model '{given['name']}' was changed meanwhile: run the statement again")
    return LanguageModel(**given, _file=file)


def resolve_language_model(
    value: str | None,
    registry: Registry,
    *,
    acoustic_model: Path | None = None,
    alphabet: Collection[str] | None = None,
    may_read: Callable[[Path], bool] = lambda _path: True,
) -> LanguageModel | None:
    """The language model that an option means.

    In this order: None for none; `'en'`, the English one in this package; `'model'`, the one in the folder of the
    acoustic model; a path (with a `/`, or starting with `.` or `~`); a registered `name` or `name@version`; a file of
    that name in the working directory.

    Args:
        value: what the user wrote.
        registry: the models on disk.
        acoustic_model: the folder of the acoustic model, for `'model'`.
        alphabet: the characters that the acoustic model writes, in any case; None: whether it fits is not checked.
        may_read: whether the database may read a file that is neither registered nor part of this package.

    Raises:
        ModelError: there is no such language model, it is damaged, it does not fit `alphabet`, or it may not be read;
            one sentence with the remedy.

    Example:
        >>> from thano_duckdb.models.registry import Registry
        >>> resolve_language_model(None, Registry(Path("models"))) is None
        True
    """
    if value is None:
        return None
    model = _find(value, registry, acoustic_model, may_read)
    if alphabet is not None:
        model.check_alphabet(alphabet)
    return model


def _find(
    value: str, registry: Registry, acoustic_model: Path | None, may_read: Callable[[Path], bool]
) -> LanguageModel:
    if value.casefold() == BUNDLED:
        return _bundled()
    if value.casefold() == OF_THE_MODEL:
        return _of_the_acoustic_model(registry, acoustic_model, may_read)
    if value.startswith("hf://"):
        raise ModelError(
            f"a language model is not taken from the hub: download '{value}', and give the path of its file"
        )
    refuse_address(value, "a language model is a name, or a file")
    if is_path(value):
        return _from_file(value, may_read)
    if entry := registry.find(value):
        return _from_registry(entry)
    name, version = split_version(value)
    if versions := registry.versions(name):
        raise ModelError(f"the model '{name}' has no version {version}; it has {', '.join(map(str, versions))}")
    with contextlib.suppress(OSError, ValueError):  # too long, or with a NUL in it: no path
        if value and may_read(local_folder(value)) and local_folder(value).is_file():
            return _from_file(value, may_read)
    known = [entry.name for entry in registry.entries(report_damaged=lambda _sentence: None) if entry.is_language_model]
    shown = value if len(value) <= 100 else f"{value[:97]}..."
    raise ModelError(
        f"there is no language model '{shown}'.{did_you_mean(value, [*known, BUNDLED, OF_THE_MODEL])} It is the name "
        f"of one that was built or uploaded (LIST MODEL shows them), the path of an ARPA file or KenLM binary, "
        f"'{BUNDLED}' (English), or '{OF_THE_MODEL}' (the one in the acoustic model's folder)"
    )


def _bundled() -> LanguageModel:
    path = ngram_file(bundled.LANGUAGE_MODEL_FOLDER)
    if path is None:
        raise ModelError(
            f"the language model '{BUNDLED}' is missing from this copy of the package "
            f"({bundled.LANGUAGE_MODEL_FOLDER}): install it again"
        )
    return LanguageModel.open(BUNDLED, path, is_kept=True, is_checked=True)


def _of_the_acoustic_model(
    registry: Registry, acoustic_model: Path | None, may_read: Callable[[Path], bool]
) -> LanguageModel:
    if acoustic_model is None:
        raise ModelError(f"the language model '{OF_THE_MODEL}' is that of an acoustic model; here there is none")
    path = ngram_file(acoustic_model / LANGUAGE_MODEL_FOLDER)
    if path is None:
        raise ModelError(
            f"the acoustic model has no language model: there is neither an ARPA file nor a KenLM binary in "
            f"{acoustic_model / LANGUAGE_MODEL_FOLDER}{_how_to_download(acoustic_model)}"
        )
    is_kept = acoustic_model.is_relative_to(registry.home)
    if not is_kept:
        _check_may_read(path, may_read)
    return LanguageModel.open(OF_THE_MODEL, path, is_kept=is_kept)


def _how_to_download(acoustic_model: Path) -> str:
    """For a model of the hub, whose language model may have gigabytes, and is not downloaded unasked."""
    if acoustic_model.parent.name != "snapshots" or not (repository := acoustic_model.parents[1].name).count("--"):
        return ""
    repo_id = repository.removeprefix("models--").replace("--", "/")
    return f"; if the hub has one, `hf download {repo_id} --include '{LANGUAGE_MODEL_FOLDER}/*'` gets it"


def _from_file(value: str, may_read: Callable[[Path], bool]) -> LanguageModel:
    path = local_folder(value)
    _check_may_read(path, may_read)
    if path.is_dir():
        inside = ngram_files(path) or ngram_files(path / LANGUAGE_MODEL_FOLDER)
        hint = f"; write '{inside[0]}'" if len(inside) == 1 else ""
        raise ModelError(f"{path} is a folder; a language model is a file (ARPA, or a KenLM binary){hint}")
    return LanguageModel.open(value, path)


def _from_registry(entry: ModelEntry) -> LanguageModel:
    spec = f"{entry.name}@{entry.version}"
    if not entry.is_language_model:
        raise ModelError(f"'{spec}' is an acoustic model, not a language model: it stands after USING")
    path = ngram_file(entry.path)
    if path is None:
        raise ModelError(f"the language model '{spec}' is damaged: {entry.path} holds no ARPA file and no KenLM binary")
    return LanguageModel.open(spec, path, description=entry.description, is_kept=True, is_checked=True)


def _check_may_read(path: Path, may_read: Callable[[Path], bool]) -> None:
    """Refuse a file, or one beside it that is read too, that the database may not read."""
    beside = (path.with_name(name) for name in (ATTRIBUTES_FILE, WORDS_FILE))
    for file in (path, *beside):
        if not may_read(file) and (file == path or file.is_file()):
            raise ModelError(
                f"this database may not read {file} (enable_external_access=false, or it is not within its "
                f"allowed_directories); UPLOAD LANGUAGE MODEL from a connection that may, and give its name"
            )


def _attributes(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise ModelError(f"{path} is not a JSON object")
    return found


def _weight(attributes: dict[str, Any], name: str, option: str, path: Path) -> float | None:
    """A number of `attrs.json`, or None where it is omitted.

    Raises:
        ModelError: it is none that the option of the same meaning could have.
    """
    value = attributes.get(name)
    if value is None:
        return None
    allowed = find_option(StatementKind.PREDICT, option)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    assert allowed.at_least is not None
    assert allowed.at_most is not None
    if not (is_number and allowed.at_least <= value <= allowed.at_most):
        raise ModelError(
            f"{name} in {path} must be a number from {allowed.at_least} to {allowed.at_most}, not {brief(repr(value))}"
        )
    return float(value)


def write_attributes(folder: Path, *, lm_weight: float, word_score: float) -> None:
    """Store the weights that a language model in `folder` was tuned for."""
    text = json.dumps({"alpha": lm_weight, "beta": word_score}, indent=2)
    (folder / ATTRIBUTES_FILE).write_text(text + os.linesep, encoding="utf-8")
