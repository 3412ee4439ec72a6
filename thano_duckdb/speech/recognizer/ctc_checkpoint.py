"""Describes a CTC checkpoint from the files in its folder, for inference and training alike.

The files are those of Hugging Face: `config.json`, `vocab.json`, `tokenizer_config.json`, `special_tokens_map.json`,
`added_tokens.json`, and `preprocessor_config.json` or, in newer checkpoints, `processor_config.json`. torch and
transformers are imported when a checkpoint is read, not when this module is imported.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.adapters import adapter_file, chosen_language, count_outputs, find_adapter, is_nested
from thano_duckdb.models.checkpoint import ADAPTER_FILES, check_weights, read_json
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.libraries import one_sentence, quiet_transformers, require_libraries
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, FrameGrid

from .log_mel import LogMelInput
from .log_mel_settings import read_log_mel_input
from .network_config import LOG_MEL_MODEL_TYPES, read_network_config
from .subword_vocabulary import read_subword_vocabulary

PADDING_INVARIANT_MODEL_TYPES = frozenset(
    {
        "wav2vec2", "wav2vec2-conformer", "wav2vec2-bert", "parakeet_ctc", "hubert", "wavlm", "data2vec-audio",
        "unispeech", "unispeech-sat", "sew",
        "sew-d",
    }
)  # fmt: skip
"""Architectures for which the results of a batch were verified against those of each clip alone."""
CHARACTER_TOKENIZERS = frozenset({"Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer"})
PHONEME_TOKENIZER = "Wav2Vec2PhonemeCTCTokenizer"
"""Each of its tokens is a phoneme, and is written between spaces."""
SUBWORD_TOKENIZERS = frozenset({"ParakeetTokenizer", "ParakeetTokenizerFast"})
SUBWORD_MARKS = ("▁", "Ġ", "##")
"""Prefixes of the tokens of subword tokenizers; joining those tokens like characters would give a wrong text."""
MAX_LABELS = 2**31
_BRACKETED = re.compile(r"<.*>|\[.*\]")
"""A special token, such as `<s>` or `[UNK]`; many checkpoints have some after the last output."""
SPECIAL_TOKENS = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
"""The roles of `Wav2Vec2CTCTokenizer` and their defaults; `pad_token` is the CTC blank."""


@dataclass(frozen=True)
class CtcCheckpoint:
    """A checkpoint whose model reads the waveform and writes characters with CTC.

    Attributes:
        folder: the folder of the checkpoint, in Hugging Face format.
        config: transformers' configuration of the network.
        grid: receptive field and stride of the frames of the network.
        vocabulary: the meaning of its labels, including the blank.
        normalize: whether clips are normalised to zero mean and unit variance before they enter the network.
        log_mel: how clips are read by a network that does not read the waveform; else None.
        language: the one that it writes, where it has several.
        adapter: the file with the weights of that language; None where those of the network itself are meant.
    """

    folder: Path
    config: Any
    grid: FrameGrid
    vocabulary: Vocabulary
    normalize: bool
    log_mel: LogMelInput | None = None
    language: str | None = None
    adapter: Path | None = None

    @classmethod
    def read(
        cls,
        folder: Path,
        vocabulary: Vocabulary | None = None,
        *,
        gets_new_head: bool = False,
        language: str | None = None,
    ) -> CtcCheckpoint:
        """Read everything but the weights.

        Args:
            folder: the folder of the checkpoint.
            vocabulary: what its outputs mean; None for the vocabulary of the folder.
            gets_new_head: whether the number of outputs follows the vocabulary.
            language: which of the languages of the checkpoint; None for its default.

        Raises:
            ModelError: the folder or its architecture is not supported, or it lacks the language; the message says why.
        """
        require_libraries()
        config = read_network_config(folder)
        language = chosen_language(folder, language)
        adapter = find_adapter(folder, language) if language is not None else None
        n_labels = config.vocab_size if adapter is None else count_outputs(adapter)
        if vocabulary is None:
            vocabulary = read_vocabulary(folder, None if gets_new_head else n_labels, language)
        if config.model_type in LOG_MEL_MODEL_TYPES:
            log_mel = read_log_mel_input(folder, config, audio_settings(folder))
            return cls(folder, config, log_mel.grid, vocabulary, False, log_mel)
        grid = FrameGrid.of_convolutions(config.conv_kernel, config.conv_stride)
        return cls(folder, config, grid, vocabulary, read_normalize(folder), language=language, adapter=adapter)

    @property
    def is_padding_invariant(self) -> bool:
        """Whether clips of different lengths may share a batch; if not, each must go through the network alone."""
        return self.config.model_type in PADDING_INVARIANT_MODEL_TYPES

    def load_network(self, *, needs_head: bool = True, reads_weights: bool = True, **config_overrides: Any) -> Any:
        """The network with the weights of the folder, in float32. Loads no pickle and no code from the checkpoint.

        Args:
            needs_head: False where the folder may lack the weights of the outputs, which are random then.
            reads_weights: False to see only whether the weights are complete and fit: the network has none then.
            **config_overrides: settings to change in transformers' configuration.

        Raises:
            ModelError: the weights are missing, incomplete, or belong to another network.
        """
        import torch
        import transformers

        check_weights(self.folder)
        config = self._config_with(config_overrides)
        if not needs_head and config.vocab_size is None:  # a pretrained encoder, such as Wav2Vec2-Conformer's
            config.vocab_size = len(self.vocabulary.tokens)
        try:
            with quiet_transformers():
                network, loading = transformers.AutoModelForCTC.from_pretrained(
                    self.folder,
                    config=config,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # else transformers' error refers to a report that is not shown
                    device_map=None if reads_weights else "meta",
                )
        except Exception as error:  # many types, as above
            raise ModelError(f"{self.folder} cannot be loaded: {one_sentence(error)}") from error
        for name, stored, described in sorted(loading["mismatched_keys"]):
            raise ModelError(
                f"{self.folder} cannot be loaded: its weights {name} have the shape {tuple(stored)}, and its "
                f"config.json describes {tuple(described)}"
            )
        # SpecAugment's mask vector is used only in training, and many checkpoints lack it.
        optional = ("masked_spec_embed",) if needs_head else ("masked_spec_embed", "lm_head.weight", "lm_head.bias")
        missing = sorted(name for name in loading["missing_keys"] if not name.endswith(optional))
        if missing:
            more = ", ..." if len(missing) > 1 else ""
            raise ModelError(
                f"{self.folder} is missing {len(missing)} of its weights ({missing[0]}{more}): a file was cut short, "
                "or the model was pretrained but not fine-tuned for speech recognition, so it cannot produce text"
            )
        if self.adapter is not None:
            from .language_adapter import install, new_language_modules

            install(network, new_language_modules(network, self.folder, self.adapter))
        return network

    def new_network(self, **config_overrides: Any) -> Any:
        """A network of the same architecture with random weights, in float32.

        Raises:
            ModelError: transformers cannot create it.
        """
        import torch
        import transformers

        config = self._config_with(config_overrides)
        config.dtype = torch.float32
        config.vocab_size = len(self.vocabulary.tokens)
        create: Any = transformers.AutoModelForCTC.from_config
        try:
            with quiet_transformers():
                return create(config, trust_remote_code=False)
        except Exception as error:
            raise ModelError(f"{self.folder} cannot be loaded: {one_sentence(error)}") from error

    def _config_with(self, overrides: dict[str, Any]) -> Any:
        config = copy.deepcopy(self.config)
        # transformers' CTC loss uses `pad_token_id` as its blank, but decoding uses the tokenizer's pad token.
        config.update({**overrides, "pad_token_id": self.vocabulary.blank_id})
        return config


def fingerprint(folder: Path, language: str | None = None) -> str:
    """A hash that changes when a file in the folder changes. It is cheap: it covers names, sizes and times only.

    Args:
        folder: of the checkpoint.
        language: the one whose adapter counts; those of others do not, which may be downloaded at any time.
    """
    digest = hashlib.blake2b(f"{folder.resolve()}\t{language}".encode(), digest_size=16)
    own = adapter_file(folder, language).name if language is not None else ""
    for path in sorted(folder.iterdir()):
        if fnmatch(path.name, ADAPTER_FILES) and path.name != own:
            continue
        status = path.stat() if path.exists() else path.lstat()  # a dangling link
        digest.update(f"\n{path.name}\t{status.st_size}\t{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def audio_settings(folder: Path) -> dict[str, Any]:
    """What the checkpoint says of its audio input.

    Raises:
        ModelError: nothing, or the sample rate is not 16 kHz.
    """
    settings = read_audio_settings(folder)
    rate_hz = settings.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise ModelError(
            f"{folder} was trained on audio at {_shown(rate_hz)} Hz; only {SAMPLE_RATE_HZ} Hz is supported"
        )
    return settings


def read_normalize(folder: Path) -> bool:
    """Whether the model expects clips with zero mean and unit variance (`do_normalize`).

    Raises:
        ModelError: the settings are missing, or the sample rate is not 16 kHz, or the input is not a waveform.
    """
    settings = audio_settings(folder)
    kind = settings.get("feature_extractor_type", "Wav2Vec2FeatureExtractor")
    if kind != "Wav2Vec2FeatureExtractor":
        raise ModelError(f"{folder} uses a {_shown(kind)}, but its network reads the waveform")
    return _flag(settings, "do_normalize", folder, default=True)


def read_audio_settings(folder: Path) -> dict[str, Any]:
    """What transformers' feature extractor is made from.

    Raises:
        ModelError: the settings are missing or damaged.
    """
    settings = _read_object(folder / "preprocessor_config.json")
    if settings is None:
        settings = (_read_object(folder / "processor_config.json") or {}).get("feature_extractor")
    if settings is not None and not isinstance(settings, dict):
        raise ModelError(f"{folder / 'processor_config.json'} is damaged: its feature_extractor is not a JSON object")
    if settings is None:
        raise ModelError(
            f"{folder} has no preprocessor_config.json, which describes the audio input of the model: "
            "copy it from the model that this one was fine-tuned from"
        )
    return settings


def read_vocabulary(folder: Path, n_labels: int | None = None, language: str | None = None) -> Vocabulary:
    """The vocabulary of a tokenizer of characters, phonemes or subwords.

    Args:
        folder: the checkpoint.
        n_labels: the number of outputs of the model; ids without a token are never written. None: as many as there
            are tokens.
        language: which of several vocabularies; None for the default.

    Raises:
        ModelError: there is no vocabulary, or it is of another kind.
    """
    tokenizer = _tokenizer_settings(folder)
    kind = str(tokenizer.get("tokenizer_class") or "Wav2Vec2CTCTokenizer")
    special = {role: _content(tokenizer.get(role, default)) for role, default in SPECIAL_TOKENS.items()}
    if kind in SUBWORD_TOKENIZERS and n_labels is not None:
        return read_subword_vocabulary(folder, special["pad_token"], set(special.values()), n_labels)
    if kind not in CHARACTER_TOKENIZERS and kind != PHONEME_TOKENIZER:
        raise ModelError(
            f"{folder} uses a {_shown(kind)}; only tokenizers of characters (Wav2Vec2CTCTokenizer), of phonemes "
            f"({PHONEME_TOKENIZER}) and of Parakeet models are supported"
        )
    ids = _token_ids(folder, tokenizer, language)
    if n_labels is None:
        n_labels = 1 + max(ids.values())
        if n_labels > 2 * len(ids):
            raise ModelError(f"the vocabulary of {folder} has only {len(ids)} tokens for {n_labels} outputs")
    blank_id = ids.get(special["pad_token"] or "")
    if blank_id is None or not 0 <= blank_id < n_labels:
        raise ModelError(
            f"the vocabulary of {folder} has no '{_shown(special['pad_token'])}' among the {n_labels} outputs of the "
            "model, which CTC needs as its blank"
        )

    is_phonemes = kind == PHONEME_TOKENIZER
    delimiter_token = _content(tokenizer.get("word_delimiter_token", None if is_phonemes else "|"))
    lower = _flag(tokenizer, "do_lower_case", folder, default=False)
    unwritten = set(special.values())
    tokens: list[str | None] = [None] * n_labels
    delimiters = set()
    for token, index in ids.items():
        if index >= n_labels or token in unwritten:
            continue
        if len(token) > 1 and token.startswith(SUBWORD_MARKS):
            raise ModelError(
                f"{folder} has subword tokens (such as '{_shown(token)}'); only character vocabularies are supported"
            )
        if token == delimiter_token or token.isspace():
            delimiters.add(index)
        tokens[index] = token.lower() if lower else token
    replacement = tokenizer.get("replace_word_delimiter_char", " ")
    between_words = " " if replacement is None or is_phonemes else str(replacement)
    phonemes = {index for index, token in enumerate(tokens) if token is not None and index not in delimiters}
    word_starts = frozenset(phonemes if is_phonemes else ())
    return Vocabulary(tuple(tokens), frozenset(delimiters), between_words, blank_id, word_starts)


def blank_token(folder: Path) -> str | None:
    """The token that is CTC's blank.

    Raises:
        ModelError: the settings of the tokenizer cannot be read.
    """
    return _content(_tokenizer_settings(folder).get("pad_token", SPECIAL_TOKENS["pad_token"]))


def tokens_without_output(folder: Path, n_labels: int, language: str | None = None) -> list[str]:
    """The tokens of a vocabulary that a network with `n_labels` outputs cannot write, those in brackets not counted.

    Raises:
        ModelError: see `read_vocabulary`.
    """
    ids = _token_ids(folder, _tokenizer_settings(folder), language)
    return [token for token, index in ids.items() if index >= n_labels and not _BRACKETED.fullmatch(token)]


def _tokenizer_settings(folder: Path) -> dict[str, Any]:
    return (_read_object(folder / "tokenizer_config.json") or {}) | (
        _read_object(folder / "special_tokens_map.json") or {}
    )


def _token_ids(folder: Path, tokenizer: dict[str, Any], language: str | None) -> dict[str, int]:
    ids = _read_object(folder / "vocab.json")
    if not ids:
        raise ModelError(f"{folder} has no vocab.json; only CTC models with a character tokenizer are supported")
    if has_languages := is_nested(ids):  # a vocabulary for each, as in MMS
        ids = dict(ids[language or chosen_language(folder, None) or ""])
    all_ids = {**(_read_object(folder / "added_tokens.json") or {}), **ids}
    added = tokenizer.get("added_tokens_decoder") or {}
    if not isinstance(added, dict):
        raise ModelError(f"{folder / 'tokenizer_config.json'} is damaged: added_tokens_decoder is not a JSON object")
    for index, token in added.items():
        is_number = index.isascii() and index.isdigit() and len(index) < 10
        if has_languages and is_number and int(index) in ids.values():
            continue  # a token of another language: transformers prefers the vocabulary too
        all_ids.setdefault(_content(token) or "", int(index) if is_number else index)
    for token, index in all_ids.items():
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < MAX_LABELS:
            raise ModelError(
                f"the vocabulary of {folder} is damaged: the token '{_shown(token)}' has the id "
                f"{_shown(json.dumps(index))}, which is not a number of an output"
            )
    return all_ids


def _content(token: Any) -> str | None:
    """The text of a token: these files hold it as a plain string or as `{"content": ..}`."""
    text = token.get("content") if isinstance(token, dict) else token
    return None if text is None else str(text)


def _flag(settings: dict[str, Any], name: str, folder: Path, *, default: bool) -> bool:
    """A setting that is true or false; null is the default, as in transformers.

    Raises:
        ModelError: it is something else, such as the text "false", which Python would take for true.
    """
    value = settings.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ModelError(f"{folder} cannot be loaded: {name} must be true or false, not {brief(json.dumps(value))}")
    return value


def _shown(value: object) -> str:
    """A value of a file as messages show it, whatever its length."""
    return brief(str(value))[1:-1]


def _read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file does not exist."""
    if not os.path.lexists(path):
        return None
    content = read_json(path)
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object")
    return content
