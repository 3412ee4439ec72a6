"""The alphabet of a new model is made from the texts of its rows."""

from __future__ import annotations

import unicodedata

import pytest

from thano_duckdb.errors import ThanoError
from thano_duckdb.training.new_alphabet import make_alphabet
from thano_duckdb.training.training_options import TrainingOptions


def tokens(*texts: str, alphabet: str | list[str] = "characters", keep_case: bool = False) -> tuple[str, ...]:
    wanted = [alphabet] if isinstance(alphabet, str) else alphabet
    return make_alphabet(texts, wanted, keep_case=keep_case).tokens


def test_letters_and_digits_are_tokens_in_lower_case_and_composed() -> None:
    assert "".join(tokens(unicodedata.normalize("NFD", "Äpfel, 3 Stück!"))) == "3cefklpstäü"


def test_keep_case_makes_capitals_letters_of_their_own() -> None:
    assert "".join(tokens("Ja, JA", keep_case=True)) == "AJa"


@pytest.mark.parametrize("text", ["ISPARTA \u0130ZM\u0130R", "\u0131sparta izmir", "Isparta \u0130zmir"])
def test_turkish_has_an_i_with_and_one_without_a_dot(text: str) -> None:
    assert "".join(tokens(text)) == "aimprstz\u0131"


def test_an_apostrophe_in_a_word_is_a_token_and_quotation_marks_are_not() -> None:
    assert "".join(tokens("don\u2019t 'go' now")) == "'dgnotw"
    assert "".join(tokens("'go' now…")) == "gnow"


@pytest.mark.parametrize(("text", "expected"), [("हिन्दी", "दनहि्ी"), ("ภาษาไทย", "ทภยษาไ"), ("二〇二四年", "〇二四年")])
def test_marks_and_letters_of_other_scripts_are_tokens(text: str, expected: str) -> None:
    assert "".join(tokens(text)) == "".join(sorted(expected))


def test_jamo_are_the_parts_of_syllables_and_the_rest_stays_whole() -> None:
    assert tokens("한국 é A", alphabet="jamo") == ("a", "é", "ᄀ", "ᄒ", "ᅡ", "ᅮ", "ᆨ", "ᆫ")
    assert tokens("ㅋㅋ 카", alphabet="jamo") == ("ᄏ", "ᅡ")


def test_rare_characters_of_long_texts_are_omitted_and_named() -> None:
    alphabet = make_alphabet(["ab" * 30_000, "ñé", "é"], ["characters"])
    assert alphabet.tokens == ("a", "b")
    assert alphabet.describe() == (
        "the new alphabet has 2 characters and the space: a b; omitted because they are rare in the texts: "
        "'é' (2), 'ñ' (1)"
    )


def test_no_character_of_short_texts_is_rare() -> None:
    assert make_alphabet(["ab" * 1_000, "é"], ["characters"]).rare == ()


@pytest.mark.parametrize(
    ("texts", "has_delimiter"),
    [
        (["今天天气很好。", "我爱北京、你好"], False),
        (["東京タワーへ行きます"], False),
        (["yes", "no"], True),
        (["안녕하세요"], True),
        (["我用 iPhone 手机", "我 爱"], True),
    ],
)
def test_only_texts_in_scripts_without_spaces_get_no_space(texts: list[str], has_delimiter: bool) -> None:
    assert make_alphabet(texts, ["characters"]).has_delimiter == has_delimiter


def test_tokens_can_be_listed() -> None:
    alphabet = make_alphabet(["schön"], ["sch", "o\u0308", "n", "|"])
    assert alphabet.tokens == ("sch", "ö", "n")
    assert alphabet.describe() == "the new alphabet has 3 tokens and the space: sch ö n"
    assert alphabet.vocabulary.tokens[4:] == ("|", "sch", "ö", "n")
    assert alphabet.vocabulary.delimiter_ids == {4}


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        (["a", "b", "a"], "'a' is given twice"),
        (["a", ""], "'' is empty"),
        (["a", "<pad>"], "'<pad>' is a token with a meaning of its own"),
        (["a", "[UNK]"], r"'\[UNK\]' is a token with a meaning of its own"),
        (["a", "<ctc>"], "'<ctc>' is a token with a meaning of its own"),
        (["a", "b c"], "'b c' holds a space"),
        ([" ", "|"], "lists no token"),
        ([], "lists no token"),
        (["abc"], "must be 'characters', 'jamo' or a list of tokens, not 'abc'"),
    ],
)
def test_a_list_that_cannot_be_an_alphabet_is_refused(listed: list[str], problem: str) -> None:
    with pytest.raises(ThanoError, match=f"[oO]ption 'alphabet'.*{problem}"):
        make_alphabet(["abc"], listed)


@pytest.mark.parametrize("texts", [[], ["... !"], ["'"]])
def test_texts_without_a_letter_are_refused(texts: list[str]) -> None:
    with pytest.raises(ThanoError, match="hold no letter to make an alphabet of"):
        make_alphabet(texts, ["characters"])


def test_a_long_alphabet_is_not_named_in_full() -> None:
    alphabet = make_alphabet(["".join(map(chr, range(0x4E00, 0x4E00 + 250)))], ["characters"])
    sentence = alphabet.describe()
    assert sentence.startswith("the new alphabet has 250 characters without a space: 一 丁 ")
    assert sentence.endswith(" .. and 150 more")


def test_options_of_a_new_alphabet_need_one() -> None:
    with pytest.raises(ThanoError, match="new_alphabet=False keeps the old one"):
        TrainingOptions(alphabet=["jamo"], new_alphabet=False)
    with pytest.raises(ThanoError, match="lists no token"):
        TrainingOptions(alphabet=[])
    assert TrainingOptions(alphabet=["jamo"]).makes_alphabet(has_vocabulary=True)
    assert not TrainingOptions().makes_alphabet(has_vocabulary=True)
    with pytest.raises(ThanoError, match="option 'keep_case' is about a new alphabet: add new_alphabet=True"):
        TrainingOptions(keep_case=True).makes_alphabet(has_vocabulary=True)
