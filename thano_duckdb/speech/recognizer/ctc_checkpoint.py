"""Describes a CTC checkpoint from the files in its folder, for inference and training alike.

The files are those of Hugging Face: `config.json` and the weights are read here, the others by `vocabulary_files` and
`audio_settings`. torch and transformers are imported when a checkpoint is read, not when this module is imported.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError
from thano_duckdb.models.adapters import adapter_file, chosen_language, count_outputs, find_adapter
from thano_duckdb.models.checkpoint import ADAPTER_FILES, check_weights
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.libraries import one_sentence, quiet_transformers, require_libraries
from thano_duckdb.speech.windows import FrameGrid

from .audio_settings import audio_settings, read_normalize
from .log_mel import LogMelInput
from .log_mel_settings import read_log_mel_input
from .network_config import LOG_MEL_MODEL_TYPES, read_network_config
from .settings_files import read_object
from .vocabulary_files import read_vocabulary

PADDING_INVARIANT_MODEL_TYPES = frozenset(
    {
        "wav2vec2", "wav2vec2-conformer", "wav2vec2-bert", "parakeet_ctc", "hubert", "wavlm", "data2vec-audio",
        "unispeech", "unispeech-sat", "sew", "sew-d",
    }
)  # fmt: skip
"""Architectures for which the results of a batch were verified against those of each clip alone."""


@dataclass(frozen=True)
class CtcCheckpoint:
    """A checkpoint whose model writes characters, phonemes or subwords with CTC.

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
                    ignore_mismatched_sizes=True,  # reported below: transformers' error does not say which
                    device_map=None if reads_weights else "meta",
                )
        except Exception as error:  # many types, as above
            raise ModelError(f"{self.folder} cannot be loaded: {one_sentence(error)}") from error
        for name, stored, described in sorted(loading["mismatched_keys"]):
            raise ModelError(
                f"{self.folder} cannot be loaded: its weights have {name} of shape {list(stored)}, and its config.json "
                f"describes {list(described)}"
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


def stored_vocabulary(folder: Path, language: str | None) -> Vocabulary | None:
    """The vocabulary of a checkpoint by its files alone; None where only transformers knows how many outputs it has.

    Args:
        folder: of the checkpoint.
        language: as in `CtcCheckpoint.read`.

    Raises:
        ModelError: as there; but a network that is not supported is not noticed.
    """
    language = chosen_language(folder, language)
    adapter = find_adapter(folder, language) if language is not None else None
    config = read_object(folder / "config.json") or {}
    n_labels = config.get("vocab_size") if adapter is None else count_outputs(adapter)
    return read_vocabulary(folder, n_labels, language) if isinstance(n_labels, int) else None


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
