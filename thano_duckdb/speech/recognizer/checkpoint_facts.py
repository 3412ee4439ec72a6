"""What the files of a checkpoint say: its size, its alphabet, its weights, of which only the headers are read."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from thano_duckdb.errors import ModelError
from thano_duckdb.models.adapters import chosen_language, count_outputs, find_adapter, read_languages, usable_languages
from thano_duckdb.models.built_in_models import LANGUAGE_MODEL
from thano_duckdb.models.checkpoint import (
    has_vocabulary,
    language_model_files,
    pickled_weights,
    read_json,
    uses_bundled_language_model,
    weight_files,
)
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

from .vocabulary_files import blank_token, read_vocabulary, tokens_without_output

T = TypeVar("T")

_PRECISIONS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I8": "int8"}
_LICENSE = re.compile(r"^license:\s*['\"]?([\w.+ -]+?)['\"]?\s*$", re.MULTILINE)
_MAX_CARD_CHARS = 100_000
_HEADS = ("lm_head.weight", "ctc_head.weight")


@dataclass(frozen=True)
class CheckpointFacts:
    """What the files of a folder say; None for what they do not say, or what cannot be read.

    Attributes:
        architecture: `model_type` of its configuration, such as `wav2vec2`.
        layers: of its transformer.
        hidden_size: of its transformer.
        parameters: the numbers that its weights hold, without adapters of languages.
        bytes: the size of the files of those weights.
        weights: their format: `safetensors`, `pickle`, or both.
        precision: their types, such as `float16`.
        sample_rate: of the audio that it was trained on, in Hz.
        outputs: how many labels the network gives; None for an encoder without a head.
        vocabulary: how many of the labels write text, the delimiter of words among them.
        without_output: tokens of the vocabulary for which the network has no output.
        blank: the token that is CTC's blank.
        blank_id: its label.
        languages: of a checkpoint of many languages those whose weights it has.
        language_model: the file of n-grams in its folder, or the bundled one that its texts are written with.
        license: what its model card says.
    """

    architecture: str | None = None
    layers: int | None = None
    hidden_size: int | None = None
    parameters: int | None = None
    bytes: int | None = None
    weights: str | None = None
    precision: str | None = None
    sample_rate: int | None = None
    outputs: int | None = None
    vocabulary: int | None = None
    without_output: tuple[str, ...] | None = None
    blank: str | None = None
    blank_id: int | None = None
    languages: tuple[str, ...] | None = None
    language_model: str | None = None
    license: str | None = None

    @classmethod
    def read(cls, folder: Path) -> CheckpointFacts:
        """What the files of `folder` say; never raises for what is broken in it."""
        config = _readable(lambda: read_json(folder / "config.json"))
        settings = config if isinstance(config, dict) else {}
        stored = _readable(lambda: _StoredWeights.read(folder))
        outputs = _readable(lambda: _outputs(folder, stored))
        vocabulary = _readable(lambda: _vocabulary(folder, outputs))
        files = [*weight_files(folder), *pickled_weights(folder)]
        formats = sorted({"safetensors" if path.suffix == ".safetensors" else "pickle" for path in files}, reverse=True)
        return cls(
            architecture=_text(settings.get("model_type")),
            layers=_count(_network(settings).get("num_hidden_layers")),
            hidden_size=_count(_network(settings).get("hidden_size")),
            parameters=stored.n_parameters if stored and stored.n_parameters else None,
            bytes=_readable(lambda: sum(path.stat().st_size for path in files)) if files else None,
            weights=", ".join(formats) or None,
            precision=", ".join(stored.precisions) or None if stored else None,
            sample_rate=_readable(lambda: _sample_rate_hz(folder)),
            outputs=outputs,
            vocabulary=sum(token is not None for token in vocabulary.tokens) if vocabulary else None,
            without_output=_readable(lambda: tuple(tokens_without_output(folder, outputs))) if outputs else None,
            blank=_readable(lambda: blank_token(folder)) if vocabulary else None,
            blank_id=vocabulary.blank_id if vocabulary else None,
            languages=_readable(lambda: _languages(folder)),
            language_model=_readable(lambda: _language_model(folder)),
            license=_readable(lambda: _license(folder)),
        )


def read_alphabet(folder: Path, n_outputs: int | None) -> tuple[str, ...] | None:
    """The labels that write text, without the delimiter of words; None without a vocabulary that can be read."""
    vocabulary = _readable(lambda: _vocabulary(folder, n_outputs))
    if vocabulary is None:
        return None
    ids = vocabulary.is_written.nonzero()[0]
    return tuple(token for label in ids if (token := vocabulary.tokens[label]) is not None)


@dataclass(frozen=True)
class _StoredWeights:
    """What the headers of the weights say."""

    n_parameters: int
    precisions: tuple[str, ...]
    outputs: int | None

    @classmethod
    def read(cls, folder: Path) -> _StoredWeights:
        # Batch norm also counts its batches, as an integer.
        tensors = {name: tensor for name, tensor in _tensors(folder) if tensor[1] in _PRECISIONS}
        precisions = {_PRECISIONS[kind] for _, kind in tensors.values()}
        head = next((shape for name, (shape, _) in tensors.items() if name in _HEADS), None)
        n_parameters = sum(math.prod(shape) for shape, _ in tensors.values())
        return cls(n_parameters, tuple(sorted(precisions)), head[0] if head else None)


def _tensors(folder: Path) -> Iterator[tuple[str, tuple[tuple[int, ...], str]]]:
    """Name, shape and type of each tensor in the weights of a folder."""
    from safetensors import SafetensorError, safe_open

    for path in filter(Path.is_file, weight_files(folder)):  # a pipe would never end
        with contextlib.suppress(SafetensorError), safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                tensor = file.get_slice(name)
                yield name, (tuple(tensor.get_shape()), tensor.get_dtype())


def _outputs(folder: Path, stored: _StoredWeights | None) -> int | None:
    """Those of the default language, where the head of the network is of another."""
    language = chosen_language(folder, None)
    adapter = find_adapter(folder, language) if language is not None else None
    if adapter is not None:
        return count_outputs(adapter)
    return stored.outputs if stored else None


def _vocabulary(folder: Path, n_outputs: int | None) -> Vocabulary | None:
    return read_vocabulary(folder, n_outputs) if has_vocabulary(folder) else None


def _network(settings: dict[str, Any]) -> dict[str, Any]:
    """The entries that describe the transformer: in newer architectures those of the encoder."""
    encoder = settings.get("encoder_config")
    return encoder if isinstance(encoder, dict) else settings


def _sample_rate_hz(folder: Path) -> int | None:
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            settings = read_json(folder / name)
            inner = settings.get("feature_extractor", settings) if isinstance(settings, dict) else None
            return _count(inner.get("sampling_rate")) if isinstance(inner, dict) else None
    return None


def _languages(folder: Path) -> tuple[str, ...] | None:
    languages = read_languages(folder)
    return None if languages is None else usable_languages(folder, languages)


def _language_model(folder: Path) -> str | None:
    if files := language_model_files(folder):
        return files[0].relative_to(folder).as_posix()
    return LANGUAGE_MODEL if uses_bundled_language_model(folder) else None


def _license(folder: Path) -> str | None:
    card = folder / "README.md"
    if not card.is_file():
        return None
    with card.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_MAX_CARD_CHARS)
    header = text.split("\n---", 1)[0] if text.startswith("---") else ""
    found = _LICENSE.search(header)
    return found[1] if found else None


def _readable(read: Callable[[], T]) -> T | None:
    """What `read` gives, or None where a file is missing or broken."""
    try:
        return read()
    except (ModelError, OSError):
        return None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
