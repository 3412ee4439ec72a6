"""Transcripts as people write them are converted to the alphabet of a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from thano_duckdb.speech.alphabet import Alphabet, describe_dropped, describe_lost_accents
from thano_duckdb.speech.decoding.vocabulary import Vocabulary
from thano_duckdb.speech.normalize import normalize


def alphabet(letters: Iterable[str], *, space: bool = True) -> Alphabet:
    """An alphabet of a blank and tokens, such as single letters; the last label ends a word."""
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
    assert describe_dropped(labels[0].dropped + labels[1].dropped) == (
        "8 characters were dropped from the transcripts because the model's alphabet lacks them: "
        "'2' (3), '&' (1), '5' (1), '0' (1), '%' (1), '\u4f60' (1)"
    )
    assert describe_dropped(UPPER.labels("R2").dropped) == (
        "1 character was dropped from the transcripts because the model's alphabet lacks it: '2' (1)"
    )
    many = describe_dropped(UPPER.labels("0123456789&%").dropped)
    assert many is not None
    assert many.endswith("'9' (1) and 2 more")
    assert describe_dropped(UPPER.labels("fine").dropped) is None


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


def tokenizer_of(tokens: Iterable[str], folder: Path) -> Callable[[str], list[str]]:
    """What Hugging Face's tokenizer makes of a word."""
    path = folder / "vocab.json"
    path.write_text(json.dumps({token: index for index, token in enumerate(["<pad>", "<unk>", "|", *tokens])}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(path))
    return lambda word: list(tokenizer.convert_ids_to_tokens(tokenizer(word).input_ids))


def written(tokens: Iterable[str], text: str) -> list[str]:
    """The tokens of a text."""
    labels = alphabet(tokens).labels(text)
    return [[None, *tokens, "|"][index] or "" for index in labels.ids]


SWAHILI = ["ch", "sh", "ng'", "dh", "th", *"abdefghijklmnoprstuvwyz'"]  # no `c`
IPA = ["t\u0283", "d\u0292", "a\u026a", "i\u02d0", *"abdefhijklmnoprstuvwz\u0283\u0292\u026a\u0259\u02d0"]
WELSH = ["Ch", "ch", "Dd", "dd", "ff", "ng", "ll", *"Cacdfghlnor"]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (SWAHILI, "chakula shule ng'ombe dhahabu"),
        (IPA, "t\u0283i\u02d0z d\u0292\u0259 ta\u026am"),
        (WELSH, "Chafod anghor llong ddall ffardd Cadno chcch fff"),
    ],
)
def test_tokens_of_several_characters_are_those_of_hugging_face(tokens: list[str], text: str, tmp_path: Path) -> None:
    tokenize = tokenizer_of(tokens, tmp_path)
    # Word by word: Hugging Face drops the spaces beside such a token, with which a model would never learn them.
    expected = [tokenize(word) for word in text.split()]
    assert written(tokens, text) == [*expected[0], *(token for word in expected[1:] for token in ["|", *word])]
    assert alphabet(tokens).labels(text).text == text


def test_tokens_of_several_characters_take_the_case_of_the_alphabet() -> None:
    assert written(SWAHILI, "Chakula SHULE") == ["ch", *"akula", "|", "sh", *"ule"]
    assert written(WELSH, "CHcHCa") == ["Ch", "ch", "C", "a"]
    labels = alphabet(SWAHILI).labels("cacao")
    assert (labels.text, labels.dropped) == ("aao", {"c": 2})
    assert alphabet(["[UNK]", *"abcknu"]).labels("UNK <unk>").text == "unk unk"


@pytest.mark.parametrize(
    ("letters", "text", "spelled"),
    [
        (["e\u0301", "e", "t"], "\u00e9t\u00e9 te\u0301", "e\u0301te\u0301 te\u0301"),
        (["e", "t", "\u0301"], "\u00e9t\u00e9", "e\u0301te\u0301"),
        (["\u1eb9", "\u1eb9\u0301", "t"], "t\u1eb9\u0301 e\u0323\u0301t", "t\u1eb9\u0301 \u1eb9\u0301t"),
        (["\u00ea", "\u0323", "t", "i", "v"], "Vi\u1ec7t", "vi\u00ea\u0323t"),  # tones are marks
        (["\u0958", "\u0915"], "\u0915\u093c \u0958 \u0915", "\u0958 \u0958 \u0915"),  # a nukta in the letter
        (["\u0915", "\u093c"], "\u0958", "\u0915\u093c"),
        ("\u30ab\u30ac\u30bf\u30ca", "\uff76\uff9e\uff85 \uff76\uff80", "\u30ac\u30ca \u30ab\u30bf"),
        ("\uff76\uff85", "\u30ab\u30ca\uff85", "\uff76\uff85\uff85"),
        ("AB12", "\uff21\uff42 \uff11\uff12 \u0661\u0968", "AB 12 12"),
        ("\u03b1\u03c3\u03c2", "\u03a3\u0391\u03a3 \u03a3\u03b1\u03c2", "\u03c3\u03b1\u03c2 \u03c3\u03b1\u03c2"),
        ("abi\u0131", "BI \u0130B", "b\u0131 ib"),  # Turkish
        ("ABI\u0130", "b\u0131 ib", "BI \u0130B"),
        ("\u0645\u06cc\u200c", "\u0645\u06cc\u200c\u0645", "\u0645\u06cc\u200c\u0645"),  # Persian has a letter for ZWNJ
    ],
)
def test_other_encodings_of_a_letter_are_written(letters: Iterable[str], text: str, spelled: str) -> None:
    labels = alphabet(letters).labels(text)
    assert labels.text == spelled
    assert not labels.dropped
    assert not labels.without_accent


@pytest.mark.parametrize(
    ("letters", "spelled"),
    [
        ("\uc548\ub155\uc5c6\ub2e4", "\uc548\ub155 \uc5c6\ub2e4"),
        (
            "\u3147\u314f\u3134\u3155\u3153\u3144\u3137",
            "\u3147\u314f\u3134\u3134\u3155\u3147 \u3147\u3153\u3144\u3137\u314f",
        ),
        # without clusters such as \u3144
        (
            "\u3147\u314f\u3134\u3155\u3153\u3142\u3145\u3137",
            "\u3147\u314f\u3134\u3134\u3155\u3147 \u3147\u3153\u3142\u3145\u3137\u314f",
        ),
        (
            "\u110b\u1161\u11ab\u1102\u1167\u11bc\u1165\u11b9\u1103",
            "\u110b\u1161\u11ab\u1102\u1167\u11bc \u110b\u1165\u11b9\u1103\u1161",
        ),
    ],
)
def test_korean_is_written_in_syllables_and_in_jamo(letters: str, spelled: str) -> None:
    for text in ("\uc548\ub155 \uc5c6\ub2e4", "\u110b\u1161\u11ab\u1102\u1167\u11bc \u110b\u1165\u11b9\u1103\u1161"):
        labels = alphabet(letters).labels(text)
        assert (labels.text, labels.dropped) == (spelled, {})


@pytest.mark.parametrize("apostrophe", ["'", "\u2019", "\u02bc"])
@pytest.mark.parametrize("written_as", ["'", "\u2019", "\u02bc", "\u2018", "`", "\u00b4", "\uff07"])
def test_the_apostrophe_becomes_that_of_the_alphabet(apostrophe: str, written_as: str) -> None:
    ukrainian = alphabet(f"\u043c\u044f{apostrophe}")
    assert ukrainian.labels(f"\u043c{written_as}\u044f").text == f"\u043c{apostrophe}\u044f"


def test_an_apostrophe_that_is_not_between_letters_is_a_quotation_mark_unless_it_is_a_letter() -> None:
    assert alphabet("ab\u2019").labels("\u2018ab\u2019 a\u2019b").text == "ab a\u2019b"
    assert alphabet("ab\u02bc").labels("\u02bcab").text == "\u02bcab"  # Navajo begins words with it
    assert alphabet("ab'\u2019").labels("a'b a\u2019b").text == "a'b a\u2019b"
    labels = alphabet("ab").labels("a'b")
    assert (labels.text, labels.dropped) == ("a b", {"'": 1})


@pytest.mark.parametrize("letters", ["\u8bf4\u4f60\u597da", "\u8bf4\u4f60\u597da'"])
def test_an_apostrophe_beside_a_letter_of_a_script_without_spaces_is_a_quotation_mark(letters: str) -> None:
    labels = alphabet(letters).labels("\u8bf4\u2018\u4f60\u597d\u2019a'\u4f60")
    assert (labels.text, labels.dropped) == ("\u8bf4 \u4f60\u597d a \u4f60", {})


def test_letters_that_lose_their_accent_are_counted() -> None:
    labels = [UPPER.labels("\u00dcber M\u00fcnchen \u00fcber"), UPPER.labels("stra\u00dfe")]
    assert [transcript.text for transcript in labels] == ["UBER MUNCHEN UBER", "STRASSE"]
    assert not labels[0].dropped
    assert describe_lost_accents(labels[0].without_accent + labels[1].without_accent) == (
        "3 letters lost their accents in the transcripts because the model's alphabet lacks them: "
        "'\u00fc' (2), '\u00dc' (1)"
    )
    assert describe_lost_accents(UPPER.labels("caf\u00e9").without_accent) == (
        "1 letter lost its accent in the transcripts because the model's alphabet lacks it: '\u00e9' (1)"
    )
    assert describe_lost_accents(UPPER.labels("cafe").without_accent) is None


def test_punctuation_of_any_script_ends_a_word_and_is_not_counted() -> None:
    labels = alphabet("\u4eca\u5929\u0915").labels("\u300c\u4eca\u5929\u3002\u300d\u5929\uff0c\u0915\u0964\u061f")
    assert (labels.text, labels.dropped) == ("\u4eca\u5929 \u5929 \u0915", {})


@given(st.text(alphabet=st.sampled_from("abcd "), max_size=12))
def test_any_text_has_the_labels_of_hugging_face(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    tokens = ["ab", "bcd", "ca", *"abcd"]
    tokenize = tokenizer_of(tokens, tmp_path_factory.mktemp("tokens", numbered=True))
    for word in text.split():
        assert written(tokens, word) == tokenize(word)
