"""The network during training, which treats padding exactly as recognition does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from thano_duckdb.errors import ModelError, ThanoError
from thano_duckdb.models.adapters import adapter_file, keep_language
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_KEY, check_base, has_head, has_vocabulary, reading_model
from thano_duckdb.monitoring.monitor import Monitor, SilentMonitor
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint
from thano_duckdb.speech.recognizer.features import Features, features
from thano_duckdb.speech.recognizer.language_adapter import LanguageModules, language_modules, write_adapter
from thano_duckdb.speech.recognizer.level import Level
from thano_duckdb.speech.recognizer.padding_invariance import PaddingInvariance
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .new_alphabet import NewAlphabet
from .training_options import TrainingOptions

_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Without cuDNN's, which prepares itself anew for every shape of a batch: on an H100 for 0.5 to 2 s."""
_NEVER = -30.0
"""The logit of an output that is never written."""


class CtcNetwork:
    """A Hugging Face CTC model with our input, padding and interrupts.

    Attributes:
        module: the Hugging Face model; its loss is the CTC loss per label, averaged over the clips.
        vocabulary: the meaning of its labels.
        grid: receptive field and stride of its frames.
        has_new_head: whether the weights of its outputs are random, and the others are not.
        language: the one that it was loaded in, of a checkpoint that has many.
        monitor: asked within every pass, forward and backward, whether to stop.
    """

    def __init__(self, module: Any, checkpoint: CtcCheckpoint, level: Level = "robust") -> None:
        """Take over and change `module`, which was made from `checkpoint`; `level` as in recognition.

        Raises:
            ModelError: a layer of the network is not supported.
        """
        self.module = module
        self.grid = checkpoint.grid
        self.vocabulary: Vocabulary = checkpoint.vocabulary
        self.has_new_head = False
        self.language = checkpoint.language
        self.monitor: Monitor = SilentMonitor()
        self._normalize = checkpoint.normalize
        self._level: Level = level
        self._invariance = PaddingInvariance(module)
        self._mask_time_prob = module.config.mask_time_prob
        for layer in module.modules():
            if isinstance(layer, (nn.Conv1d, nn.Linear)):
                layer.register_forward_hook(self._check_forward)

    def features(self, samples: NDArray[np.float32]) -> Features:
        """The input of the network for a clip."""
        return features(samples, normalize=self._normalize, convolution=self._invariance.convolution, level=self._level)

    def seconds(self, n_samples: int) -> float:
        """The duration of that many samples."""
        return n_samples / SAMPLE_RATE_HZ

    def masks(self, n_samples: Sequence[int], n_padded: int) -> tuple[Tensor | None, Tensor | None]:
        """Masks of the samples (int64) and the frames (bool) that belong to clips in a batch; None without padding."""
        if min(n_samples) == n_padded:
            return None, None
        n_frames = [self.grid.n_frames(count) for count in n_samples]
        return _length_mask(n_samples, n_padded).long(), _length_mask(n_frames, self.grid.n_frames(n_padded))

    def keep_batch_statistics(self) -> None:
        """Leave the means and variances of batch normalisations as they are, in training as in recognition.

        Those of a few clips, padded, would be far from those of the corpus that the base was trained on.
        """
        for layer in self.module.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.eval()
                layer.train = lambda _mode=True, layer=layer: layer  # type: ignore[method-assign, misc]

    def run(self, batch: dict[str, Any], call: Callable[..., Any] | None = None) -> Any:
        """The output of the network for a batch of `BatchLoader`: `loss` and `logits` (batch, frames, vocab).

        Args:
            batch: a batch on the device of the network.
            call: the network as wrapped by a trainer; by default the network itself.
        """
        # SpecAugment fails on a clip that is shorter than one of its masks.
        n_frames = self.grid.n_frames(batch["input_values"].shape[1])
        self.module.config.mask_time_prob = (
            self._mask_time_prob if n_frames > self.module.config.mask_time_length else 0.0
        )
        with self._invariance.for_batch(batch["moments"], batch["frame_mask"]), sdpa_kernel(_ATTENTION):
            return (call or self.module)(
                input_values=batch["input_values"],
                attention_mask=batch["sample_mask"],
                labels=batch["labels"],
                return_dict=True,
            )

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`, as Hugging Face does."""
        self.module.config.mask_time_prob = self._mask_time_prob
        with quiet_transformers():
            self.module.save_pretrained(folder)

    def save_language(self, folder: Path) -> None:
        """Make of the files of the base, which has many languages, those of a model of this one.

        The weights are written as an adapter too, which transformers asks for with `target_lang`.
        """
        if self.language is None:
            return
        keep_language(folder, self.language)
        if len(language_modules(self.module)) > 1:
            write_adapter(self.module, adapter_file(folder, self.language))

    def _check_forward(self, _layer: nn.Module, _args: Any, output: Tensor) -> None:
        self.monitor.raise_if_cancelled()
        if output.requires_grad:
            output.register_hook(self._check_backward)  # type: ignore[no-untyped-call]

    def _check_backward(self, _gradient: Tensor) -> None:
        self.monitor.raise_if_cancelled()


def check_trainable(folder: Path, language: str | None = None) -> None:
    """Refuse a checkpoint that BUILD cannot start from; of its weights only the headers are read.

    Args:
        folder: a checkpoint, or a pretrained encoder.
        language: which of the languages of the checkpoint; None for its default.

    Raises:
        ModelError: see `load_network`.
    """
    alphabet = None if has_vocabulary(folder) else NewAlphabet(("a",), has_delimiter=True)
    with torch.random.fork_rng():
        load_network(folder, TrainingOptions(language=language), alphabet, reads_weights=False)


def load_network(
    folder: Path, options: TrainingOptions, alphabet: NewAlphabet | None = None, *, reads_weights: bool = True
) -> CtcNetwork:
    """The network to train: with the weights of `folder` or, from scratch, with random weights of the same shapes.

    A pretrained encoder, which has no head, gets one with random weights, and so does any network for a new alphabet.
    Random weights depend on the state of torch's random number generator.

    Args:
        folder: a checkpoint, or a pretrained encoder.
        options: how to train.
        alphabet: what the network is to write; None keeps the vocabulary of the folder.
        reads_weights: False to see only whether the network can be trained: it has no weights then.

    Raises:
        ModelError: the checkpoint cannot be loaded, or lacks the language, or training its architecture is not
            supported.
    """
    overrides: dict[str, Any] = {
        "apply_spec_augment": True,
        "mask_time_prob": options.mask_time_prob,
        "ctc_loss_reduction": "mean",
        "ctc_zero_infinity": True,
    }
    if options.from_scratch or alphabet is not None:
        overrides[LANGUAGE_MODEL_KEY] = None  # the new model may be for another language
    with reading_model(folder):
        if not options.from_scratch:
            check_base(folder)
        needs_head = alphabet is not None or not has_head(folder)
        checkpoint = CtcCheckpoint.read(
            folder, alphabet.vocabulary if alphabet else None, gets_new_head=needs_head, language=options.language
        )
        if not checkpoint.is_padding_invariant:
            raise ModelError(
                f"{folder} is a {checkpoint.config.model_type} model, which PREDICT can use but BUILD cannot train yet"
            )
        if checkpoint.log_mel:
            raise ModelError(
                f"{folder} is a {checkpoint.config.model_type} model, which PREDICT can use but BUILD cannot train: "
                "use a model that reads the waveform, such as Wav2Vec2, HuBERT or WavLM"
            )
        if checkpoint.vocabulary.word_start_ids:
            raise ModelError(
                f"{folder} writes phonemes or subwords, which PREDICT can use but BUILD cannot train: use a model that "
                "writes characters"
            )
        if options.from_scratch:
            module = checkpoint.new_network(**overrides)
        else:
            module = checkpoint.load_network(needs_head=not needs_head, reads_weights=reads_weights, **overrides)
        if needs_head:
            _replace_head(module, checkpoint.vocabulary)
        network = CtcNetwork(module, checkpoint, options.level)
    network.has_new_head = needs_head and not options.from_scratch
    if not options.from_scratch:
        network.keep_batch_statistics()
    adapters = language_modules(module)
    if len(adapters) > 1 and not options.from_scratch:  # the head is one of them
        _train_only(network.module, adapters, options)
    elif options.freezes_feature_encoder:
        network.module.freeze_feature_encoder()
    return network


def _train_only(module: nn.Module, layers: LanguageModules, options: TrainingOptions) -> None:
    """Leave all weights as they are but those of the adapters and the head: the rest serves every language.

    Raises:
        ThanoError: the options ask for more.
    """
    if options.freeze_feature_encoder is False:
        raise ThanoError(
            "of a base with adapters for languages, BUILD trains the adapter and the outputs alone: omit the option "
            "'freeze_feature_encoder'"
        )
    module.requires_grad_(False)
    for layer in layers.values():
        layer.requires_grad_(True)


def _replace_head(module: Any, vocabulary: Vocabulary) -> None:
    """Give a network an output for each label, with random weights, as transformers initializes them."""
    head = nn.Linear(module.lm_head.in_features, len(vocabulary.tokens))
    module._init_weights(head)
    never_written = [index for index, token in enumerate(vocabulary.tokens) if token is None]
    never_written.remove(vocabulary.blank_id)
    with torch.no_grad():  # random weights could make one of them the best, and transformers would write `<unk>`
        head.weight[never_written] = 0.0
        head.bias[never_written] = _NEVER
    module.lm_head = head
    module.config.vocab_size = len(vocabulary.tokens)


def _length_mask(lengths: Sequence[int], longest: int) -> Tensor:
    """(batch, longest) bool, True up to each length."""
    return torch.arange(longest) < torch.tensor(lengths)[:, None]
