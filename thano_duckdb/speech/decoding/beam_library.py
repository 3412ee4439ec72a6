"""The library of the beam search, `ctc-beam-decoder`: a C++ version of pyctcdecode with KenLM inside.

Nothing else imports it. It has no wheels for some platforms (Linux on ARM, Intel Macs, glibc before 2.35): there
greedy decoding works, and whatever needs the beam search is refused in one sentence.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import math
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.language.private_copy import private_file
from thano_duckdb.language.upload import check_language_model

from .beam_columns import MIN_PROBABILITY, SPACE

PACKAGE = "ctc-beam-decoder"
MAX_LOADED = 2
"""Decoders that stay loaded: a language model takes some ten MiB of memory."""
PRUNE_LOG_PROB = -12.0
"""Hypotheses that score this much lower than the best one of a frame are dropped."""
MIN_LABEL_LOG_PROB = -7.0
"""Labels that are less likely are not tried in a frame, except the best one."""


MAX_REASON_CHARS = 200
_BYTE = re.compile(r" Byte: *\d*$")

END = "</s>"
"""The word with which every hypothesis is made to end where there is a language model. Else the library takes a text
that ends in a space for one with another, unknown, word; KenLM knows this one as the end of a sentence."""


@dataclass(frozen=True)
class Beam:
    """A hypothesis of the beam search.

    Attributes:
        text: as the library writes it, with a space between two words.
        frames: for each word its first frame, and the one after its last.
        log_prob: of the acoustic model for the text.
        score: the same with the language model and the hotwords; only differences mean something.
    """

    text: str
    frames: tuple[tuple[int, int], ...]
    log_prob: float
    score: float


@functools.cache
def problem() -> str | None:
    """Why there is no beam search here, as part of a sentence, or None."""
    try:
        import ctc_beam_decoder

        has_kenlm = ctc_beam_decoder.has_kenlm()
    except ImportError:
        return f"the package {PACKAGE} is not installed; it has wheels for macOS (arm64), Windows and Linux (x64)"
    except (OSError, RuntimeError) as error:
        return f"the package {PACKAGE} cannot be used: {brief(str(error))}"
    return None if has_kenlm else f"this build of {PACKAGE} has no language models"


@functools.cache
def version() -> str:
    """Of the library; another may give other texts."""
    return importlib.metadata.version(PACKAGE)


class NativeDecoder:
    """A beam search that is ready to run. Any thread may call it; it releases the GIL."""

    def __init__(self, native: Any, *, has_end: bool, mapped: object = None) -> None:
        self._native = native
        self._has_end = has_end
        self._mapped = mapped  # what must not be removed before the library closes its files

    def beams(
        self,
        log_probs: NDArray[np.float32],
        *,
        beam_width: int,
        hotwords: Sequence[str] = (),
        hotword_weight: float = 0.0,
    ) -> list[Beam]:
        """The hypotheses, the best first; none where nothing but silence is likely.

        Args:
            log_probs: of the columns, shape (frames, columns).
            beam_width: hypotheses that are kept in each frame.
            hotwords: words that are favoured.
            hotword_weight: how much.

        Raises:
            ModelError: the library failed.
        """
        if not len(log_probs):
            return []
        try:
            found = self._native.decode_beams(
                _with_end(log_probs) if self._has_end else log_probs,
                beam_width=beam_width,
                beam_prune_logp=PRUNE_LOG_PROB,
                token_min_logp=MIN_LABEL_LOG_PROB,
                prune_history=False,  # confidences need hypotheses that differ in early words
                hotwords=list(hotwords),
                hotword_weight=hotword_weight,
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the beam search failed: {_reason(str(error))}") from error
        return [
            Beam(
                text.removesuffix(END).rstrip(), tuple(frames for word, frames in words if word != END), log_prob, score
            )
            for text, _state, words, log_prob, score in found
        ]


def _with_end(log_probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same with a column for `END` and two frames that write it: the space before it, and itself."""
    n_frames, n_columns = log_probs.shape
    extended = np.full((n_frames + 2, n_columns + 1), math.log(MIN_PROBABILITY), np.float32)
    extended[:-2, :-1] = log_probs
    extended[-2, SPACE] = extended[-1, -1] = 0.0
    return extended


@cached(
    LRUCache(MAX_LOADED),
    key=lambda labels, model, lm_weight, word_score: (labels, model and model.fingerprint, lm_weight, word_score),
    condition=threading.Condition(),  # a second thread that needs the same one waits for the first
)
def native_decoder(
    labels: tuple[str, ...], model: LanguageModel | None, lm_weight: float, word_score: float
) -> NativeDecoder:
    """A beam search, which is kept.

    Args:
        labels: the text of each column: the blank is empty, the space ends a word.
        model: None for no language model.
        lm_weight: weight of its score (natural logarithm) beside that of the acoustic model.
        word_score: added for each word.

    Raises:
        ModelError: there is no beam search on this machine, or the language model cannot be loaded.
    """
    if why := problem():
        raise ModelError(f"the beam search, which language models, hotwords and n_best need, is missing: {why}")
    import ctc_beam_decoder

    if model is None:
        try:
            return NativeDecoder(ctc_beam_decoder.build_ctcdecoder(list(labels)), has_end=False)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"the beam search cannot write the labels of this model: {_reason(str(error))}") from error
    check_language_model(model)
    return _with_language_model(labels, model, lm_weight, word_score)


def check_loads(model: LanguageModel) -> None:
    """Load a language model once, and forget it; does nothing where there is no beam search.

    Raises:
        ModelError: KenLM cannot load it.
    """
    if not problem():
        _with_language_model(("", " "), model, 1.0, 0.0)


def _with_language_model(
    labels: tuple[str, ...], model: LanguageModel, lm_weight: float, word_score: float
) -> NativeDecoder:
    import ctc_beam_decoder

    words = model.unigrams()
    try:
        with private_file(model) as (path, mapped), _quiet():
            native = ctc_beam_decoder.build_ctcdecoder(
                [*labels, END],
                kenlm_model_path=str(path),
                unigrams=None if words is None else [*words, END],
                alpha=lm_weight,
                beta=word_score,
            )
    except (ValueError, OSError, RuntimeError) as error:
        raise ModelError(f"the language model '{model.name}' cannot be loaded: {_reason(str(error))}") from None
    return NativeDecoder(native, has_end=True, mapped=mapped)


def _reason(text: str) -> str:
    """What KenLM says, without the lines of its source where it says so."""
    _source, _newline, reason = text.rpartition("\n")
    reason = _BYTE.sub("", " ".join((reason or text).split())).rstrip(".")
    return f"'{reason[:MAX_REASON_CHARS]}'"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep KenLM's progress, which it writes to the standard error of the process, from the user's screen."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
