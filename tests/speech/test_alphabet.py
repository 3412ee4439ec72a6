"""Transcripts as people write them are converted to the alphabet of a model."""

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
    """An alphabet of a blank and single letters; the last label ends a word."""
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
def test_text_is_converted_to_the_alphabet(text: str, spelled: str) -> None:
    labels = UPPER.labels(text)
    assert labels.text == spelled
    assert not labels.dropped
    assert LOWER.labels(text).text == spelled.lower()
    assert len(labels.ids) == len(spelled)


def test_characters_of_the_alphabet_are_unchanged() -> None:
    both = alphabet("aAbB-.\u00e9")
    assert both.labels("aB-b. \u00e9").text == "aB-b. \u00e9"


def test_spoken_characters_that_the_alphabet_lacks_are_dropped_and_counted() -> None:
    labels = [UPPER.labels("R2D2 & 50%"), UPPER.labels("\u4f60 2")]
    assert [transcript.text for transcript in labels] == ["RD", ""]
    assert labels[0].dropped == {"2": 2, "&": 1, "5": 1, "0": 1, "%": 1}
    assert describe_dropped(labels) == (
        "8 characters were dropped from the transcripts because the model's alphabet lacks them: "
        "'2' (3), '&' (1), '5' (1), '0' (1), '%' (1), '\u4f60' (1)"
    )
    assert describe_dropped([UPPER.labels("R2")]) == (
        "1 character was dropped from the transcripts because the model's alphabet lacks it: '2' (1)"
    )
    many = describe_dropped([UPPER.labels("0123456789&%")])
    assert many is not None
    assert many.endswith("'9' (1) and 2 more")
    assert describe_dropped([UPPER.labels("fine")]) is None


def test_a_language_without_spaces_has_no_label_for_them() -> None:
    labels = alphabet("abc", space=False).labels("ab ca")
    assert labels.ids == (1, 2, 3, 1)


@given(st.text(alphabet="ab c", max_size=12))
def test_the_number_of_frames_needed_is_that_of_the_shortest_path(text: str) -> None:
    labels = alphabet("abc").labels(text)
    # The shortest path has every label once, and a blank between two equal labels.
    path: list[int] = []
    for label in labels.ids:
        path += [0, label] if path and path[-1] == label else [label]
    collapsed = [label for label, _ in groupby(path) if label != 0]
    assert tuple(collapsed) == labels.ids
    assert labels.n_frames_needed == len(path)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_words_are_split_as_by_normalize(text: str) -> None:
    known = alphabet("abcdefghijklmnopqrstuvwxyz0123456789'")
    (normal,) = normalize(pa.array([text], pa.string())).to_pylist()
    assert known.labels(text).text == normal


def test_invisible_characters_cut_no_word() -> None:
    labels = alphabet("abc").labels("a\u00adb\u200b c\ufeff")
    assert (labels.text, labels.dropped.total()) == ("ab c", 0)
