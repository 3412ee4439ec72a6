"""What the tests of the beam search share: all texts of a few frames by brute force, and small language models."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.speech.decoding.decoder import FrameScores
from thano_duckdb.speech.decoding.vocabulary import Vocabulary

SMALL = Vocabulary((None, " ", "a", "b"), frozenset({1}))
LETTERS = Vocabulary((None, None, None, None, "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"), frozenset({4}))
STRIDE = 320
UNKNOWN_WORD_OFFSET = -10.0
"""What pyctcdecode adds, in powers of ten, to the log-probability of a word that the language model does not know."""


def frame_scores(log_probs: NDArray[np.floating], n_labels: int | None = None) -> FrameScores:
    """The scores of frames as a network gives them, from those of all labels, shape (frames, vocab)."""
    ids = np.argsort(-log_probs, axis=1, kind="stable")[:, :n_labels]
    return FrameScores(ids.astype(np.int16), np.take_along_axis(log_probs, ids, axis=1).astype(np.float32))


def random_log_probs(rng: np.random.Generator, n_frames: int, n_labels: int, spread: float) -> NDArray[np.float64]:
    """Normalised scores, shape (frames, labels); with a small spread nothing is pruned."""
    logits = rng.uniform(0, spread, (n_frames, n_labels))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def written(frames: str, pause: float = 0.001) -> NDArray[np.float64]:
    """The scores of frames that are written as one letter each: `_` for the blank, `|` between words."""
    tokens = {"_": 0, "|": 4} | {letter: 5 + number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")}
    log_probs = np.full((len(frames), len(LETTERS.tokens)), math.log(pause / (len(LETTERS.tokens) - 1)))
    log_probs[np.arange(len(frames)), [tokens[char] for char in frames]] = math.log(1 - pause)
    return log_probs


def exhaustive(
    log_probs: NDArray[np.floating], vocabulary: Vocabulary, bigrams: Bigrams | None = None
) -> dict[str, float]:
    """The score of every text that the frames may have: its probability summed over all paths, and the language."""
    sums: dict[str, float] = defaultdict(lambda: -math.inf)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        collapsed = [label for label, _run in itertools.groupby(path)]
        tokens = ["" if (token := vocabulary.tokens[label]) is None else token for label in collapsed]
        text = " ".join("".join(tokens).split())
        sums[text] = np.logaddexp(sums[text], sum(row[label] for row, label in zip(log_probs, path, strict=True)))
    return {text: total + (0.0 if bigrams is None else bigrams.score(text)) for text, total in sums.items()}


class Bigrams:
    """A language model over a few words whose every pair has a probability of its own (log10), as ARPA and as sums."""

    def __init__(self, words: tuple[str, ...], rng: np.random.Generator, *, lm_weight: float, word_score: float):
        self.words, self.lm_weight, self.word_score = words, lm_weight, word_score
        after = (*words, "</s>")
        self.single = {word: -rng.uniform(0.3, 2.0) for word in (*after, "<unk>")}
        self.pair = {(a, b): -rng.uniform(0.3, 2.0) for a in ("<s>", *words) for b in after}

    def score(self, text: str) -> float:
        """What the language model adds to a text."""
        total, before = 0.0, "<s>"
        if not text:
            return self.lm_weight * math.log(10) * self.pair["<s>", "</s>"]
        words = text.split()
        for number, word in enumerate(words):
            if word in self.words:
                log10 = self.pair.get((before, word), self.single[word])
            else:
                log10 = self.single["<unk>"] + UNKNOWN_WORD_OFFSET
            before = word if word in self.words else "<unk>"
            if number == len(words) - 1:
                log10 += self.pair.get((before, "</s>"), self.single["</s>"])
            total += self.lm_weight * math.log(10) * log10 + self.word_score
        return total

    def open(self, path: Path) -> LanguageModel:
        """The same as an ARPA file."""
        lines = ["\\data\\", f"ngram 1={len(self.words) + 3}", f"ngram 2={len(self.pair)}", "", "\\1-grams:"]
        lines += [f"{self.single['<unk>']:.7f}\t<unk>\t0", "-99\t<s>\t0", f"{self.single['</s>']:.7f}\t</s>\t0"]
        lines += [f"{self.single[word]:.7f}\t{word}\t0" for word in self.words]
        lines += ["", "\\2-grams:", *(f"{log10:.7f}\t{a} {b}" for (a, b), log10 in self.pair.items())]
        path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
        return LanguageModel.open("small", path)
