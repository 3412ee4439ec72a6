"""Transcripts as people write them, in the alphabet of a model."""

from __future__ import annotations

from itertools import groupby

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.alphabet import Alphabet, describe_dropped
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.normalize import normalize


def alphabet(letters: str, *, space: bool = True) -> Alphabet:
    """An alphabet of single letters behind a blank; the last label ends a word."""
    tokens = [None, *letters, *("|" if space else "")]
    return Alphabet(Vocabulary(tuple(tokens), frozenset({len(tokens) - 1} if space else ())))


UPPER = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")
LOWER = alphabet("abcdefghijklmnopqrstuvwxyz'")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Hello, world!", "HELLO WORLD"),
        ("  many\t\n spaces ", "MANY SPACES"),
        ("don\u2019t can\u02bct won`t", "DON'T CAN'T WON'T"),
        ("he said 'yes' to the boys'", "HE SAID YES TO THE BOYS"),
        ("na\u00efve caf\u00e9 A\u030angstro\u0308m", "NAIVE CAFE ANGSTROM"),
        ("stra\u00dfe \ufb01n \uff21\uff22", "STRASSE FIN AB"),
        ("twenty-one\u2014either/or...end", "TWENTY ONE EITHER OR END"),
        ('"quoted" (aside) [x]', "QUOTED ASIDE X"),
    ],
)
def test_text_is_brought_to_the_alphabet(text: str, spelled: str) -> None:
    labels = UPPER.labels(text)
    assert labels.text == spelled
    assert not labels.dropped
    assert LOWER.labels(text).text == spelled.lower()
    assert len(labels.ids) == len(spelled)


def test_what_the_alphabet_has_stays() -> None:
    both = alphabet("aAbB-.\u00e9")
    assert both.labels("aB-b. \u00e9").text == "aB-b. \u00e9"


def test_characters_that_are_spoken_but_cannot_be_written_are_counted() -> None:
    labels = [UPPER.labels("R2D2 & 50%"), UPPER.labels("\u4f60 2")]
    assert [each.text for each in labels] == ["RD", ""]
    assert labels[0].dropped == {"2": 2, "&": 1, "5": 1, "0": 1, "%": 1}
    assert describe_dropped(labels) == (
        "8 characters that the model cannot write were left out of the transcripts "
        "('2' 3, '&' 1, '5' 1, '0' 1, '%' 1, '\u4f60' 1)"
    )  # fmt: skip
    assert describe_dropped([UPPER.labels("fine")]) is None


def test_a_language_without_spaces_has_no_label_for_them() -> None:
    labels = alphabet("abc", space=False).labels("ab ca")
    assert labels.ids == (1, 2, 3, 1)


@given(st.text(alphabet="ab c", max_size=12))
def test_as_many_frames_as_ctc_needs(text: str) -> None:
    labels = alphabet("abc").labels(text)
    # The shortest path writes every label once, and a blank wherever it would else repeat.
    path: list[int] = []
    for label in labels.ids:
        path += [0, label] if path and path[-1] == label else [label]
    collapsed = [label for label, _ in groupby(path) if label != 0]
    assert tuple(collapsed) == labels.ids
    assert labels.n_frames_needed == len(path)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_words_are_those_of_normalize(text: str) -> None:
    known = alphabet("abcdefghijklmnopqrstuvwxyz0123456789'")
    (normal,) = normalize(pa.array([text], pa.string())).to_pylist()
    assert known.labels(text).text == normal
