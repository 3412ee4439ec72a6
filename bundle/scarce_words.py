"""Find common words that are rare in a set of clips: `python -m bundle.scarce_words WORDS MANIFEST.. > words.txt`.

WORDS is a file of the allowed words, one per line; each MANIFEST is a table of clips with their text. A word is written
as many times as it is missing, so that `bundle.training_speech --words` speaks it that often. The frequency of words
comes from wordfreq (Speer, 2022, doi:10.5281/zenodo.7199437).
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

N_COMMON = 10_000
MIN_LETTERS = 3
_PRONOUNCEABLE = re.compile(r"(?=.*[aeiouy])[a-z]+")


def scarce_words(common: Iterable[str], texts: Iterable[str], at_least: int) -> Counter[str]:
    """How many times each of the `common` words is missing in `texts` to occur `at_least` times."""
    counts = Counter(word for text in texts for word in re.findall("[a-z']+", text.lower()))
    return +Counter({word: at_least - counts[word] for word in common})


def common_words(known: Iterable[str]) -> list[str]:
    """The most common English words that are in `known` and pronounced as they are spelt, the most common first."""
    from wordfreq import top_n_list

    allowed = {word.lower() for word in known}
    return [
        word
        for word in top_n_list("en", N_COMMON)
        if word in allowed and len(word) >= MIN_LETTERS and _PRONOUNCEABLE.fullmatch(word)
    ]


def main() -> None:
    """Print the scarce words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", type=Path)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--at-least", type=int, default=30, help="how often each word should occur")
    arguments = parser.parse_args()
    common = common_words(arguments.words.read_text(encoding="latin-1").split())
    texts = [
        row["text"]
        for manifest in arguments.manifests
        for row in csv.DictReader(manifest.read_text(encoding="utf-8").splitlines())
    ]
    for word in scarce_words(common, texts, arguments.at_least).elements():
        print(word)


if __name__ == "__main__":
    main()
