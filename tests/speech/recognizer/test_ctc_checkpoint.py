"""Reading the JSON files of a checkpoint, in their older and newer formats."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import Wav2Vec2PhonemeCTCTokenizer

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.decoding.beam import BeamDecoder
from thano_duckdb.speech.decoding.greedy import greedy_decode
from thano_duckdb.speech.recognizer.audio_settings import read_normalize
from thano_duckdb.speech.recognizer.ctc_checkpoint import fingerprint
from thano_duckdb.speech.recognizer.vocabulary_files import read_vocabulary


def write(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def text_of(folder: Path, ids: list[int], n_labels: int = 10) -> str:
    vocabulary = read_vocabulary(folder, n_labels)
    [found] = greedy_decode([np.array(ids)], [np.zeros(len(ids), np.float32)], vocabulary, stride=320)
    return found.text


VOCAB = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5, "B": 6}


def test_special_tokens_are_never_written(tmp_path: Path) -> None:
    assert text_of(write(tmp_path, vocab=VOCAB), [1, 5, 3, 5, 4, 6, 2, 0]) == "AA B"


def test_the_blank_is_the_pad_token_whatever_its_id(tmp_path: Path) -> None:
    write(tmp_path, vocab={"A": 0, "B": 1, "_": 2}, tokenizer_config={"pad_token": {"content": "_"}})
    assert text_of(tmp_path, [0, 2, 0, 1]) == "AAB"


def test_special_tokens_may_come_from_special_tokens_map(tmp_path: Path) -> None:
    write(tmp_path, vocab={"[PAD]": 0, "A": 1, "[UNK]": 2})
    write(tmp_path, special_tokens_map={"pad_token": "[PAD]", "unk_token": {"content": "[UNK]", "special": True}})
    assert text_of(tmp_path, [1, 2, 0, 1]) == "AA"


def test_added_tokens_are_written_and_labels_without_a_token_are_not(tmp_path: Path) -> None:
    write(
        tmp_path, vocab={"[PAD]": 0, "A": 1}, added_tokens={"<s>": 2, "B": 3}, tokenizer_config={"pad_token": "[PAD]"}
    )
    assert text_of(tmp_path, [2, 1, 9, 3], n_labels=10) == "AB"


def test_added_tokens_of_the_newer_format_are_written(tmp_path: Path) -> None:
    write(tmp_path, vocab={"<pad>": 0, "A": 1}, tokenizer_config={"added_tokens_decoder": {"2": {"content": "B"}}})
    assert text_of(tmp_path, [2, 1, 2]) == "BAB"


def test_the_word_delimiter_and_its_replacement_come_from_the_tokenizer(tmp_path: Path) -> None:
    settings = {"word_delimiter_token": "#", "replace_word_delimiter_char": "_"}
    write(tmp_path, vocab={"<pad>": 0, "A": 1, "#": 2}, tokenizer_config=settings)
    assert text_of(tmp_path, [1, 2, 1, 2]) == "A_A"


def test_a_space_in_the_vocabulary_ends_a_word(tmp_path: Path) -> None:
    write(tmp_path, vocab={"<pad>": 0, "A": 1, " ": 2})
    assert text_of(tmp_path, [2, 1, 2, 2, 0, 2, 1, 2]) == "A A"


def test_a_vocabulary_without_a_delimiter_gives_one_word(tmp_path: Path) -> None:
    write(tmp_path, vocab={"<pad>": 0, "你": 1, "好": 2})
    assert text_of(tmp_path, [1, 2]) == "你好"


def test_lower_case_tokenizers_write_lower_case(tmp_path: Path) -> None:
    write(tmp_path, vocab=VOCAB, tokenizer_config={"do_lower_case": True})
    assert text_of(tmp_path, [5, 4, 6]) == "a b"


PHONEMES = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "h": 4, "ə": 5, "l": 6, "oʊ": 7, "|": 8}


@pytest.mark.parametrize("delimiter", [None, "|"])
def test_phonemes_are_written_as_transformers_writes_them(tmp_path: Path, delimiter: str | None) -> None:
    settings = {"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "word_delimiter_token": delimiter}
    folder = write(tmp_path, vocab=PHONEMES, tokenizer_config=settings)
    ids = [0, 4, 4, 5, 0, 5, 6, 7, 7, 8, 8, 4, 0, 7, 0]
    tokenizer = Wav2Vec2PhonemeCTCTokenizer(str(folder / "vocab.json"), word_delimiter_token=delimiter)
    expected = "h ə ə l oʊ h oʊ" if delimiter else "h ə ə l oʊ | h oʊ"
    assert text_of(folder, ids) == tokenizer.decode(ids) == expected


def test_each_phoneme_is_a_word_with_its_own_times(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=PHONEMES, tokenizer_config={"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"})
    ids = np.array([0, 4, 4, 5, 7])
    [found] = greedy_decode([ids], [np.zeros(5, np.float32)], read_vocabulary(folder, 10), stride=320)
    assert [(word.word, word.start_s, word.end_s) for word in found.words] == [
        ("h", 0.02, 0.06), ("ə", 0.06, 0.08), ("oʊ", 0.08, 0.1)
    ]  # fmt: skip


def test_beam_search_refuses_subwords_and_phonemes(tmp_path: Path) -> None:
    folder = write(tmp_path, vocab=PHONEMES, tokenizer_config={"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"})
    with pytest.raises(ModelError, match="need a model that writes characters"):
        BeamDecoder(hotwords=("hello",)).load(read_vocabulary(folder, 10))


def test_the_target_language_chooses_one_of_several_vocabularies(tmp_path: Path) -> None:
    write(tmp_path, vocab={"eng": VOCAB, "deu": {"<pad>": 0, "Ä": 1}}, tokenizer_config={"target_lang": "deu"})
    assert text_of(tmp_path, [1, 0, 1]) == "ÄÄ"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no vocab\.json"),
        ({"vocab": {"A": 0}}, "no '<pad>'"),
        ({"vocab": {"<pad>": 0, "▁THE": 1}}, "subword tokens"),
        ({"vocab": {"eng": VOCAB, "deu": VOCAB}}, "2 languages"),
        ({"vocab": VOCAB, "tokenizer_config": {"tokenizer_class": "BertTokenizer"}}, "uses a BertTokenizer"),
        ({"tokenizer_config": {"tokenizer_class": "ParakeetTokenizer"}}, r"no tokenizer\.json"),
        ({"vocab": ["A"]}, "not a JSON object"),
    ],
)
def test_a_missing_or_unsupported_vocabulary_is_refused(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_vocabulary(write(tmp_path, **files), 10)


@pytest.mark.parametrize("name", ["preprocessor_config", "processor_config"])
@pytest.mark.parametrize("normalize", [True, False])
def test_both_formats_of_the_audio_settings_are_read(tmp_path: Path, name: str, normalize: bool) -> None:
    settings = {"do_normalize": normalize, "sampling_rate": 16_000}
    write(tmp_path, **{name: settings if name == "preprocessor_config" else {"feature_extractor": settings}})
    assert read_normalize(tmp_path) is normalize


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampling_rate": 8_000}, "8000 Hz"),
        ({"feature_extractor_type": "SeamlessM4TFeatureExtractor"}, "SeamlessM4TFeatureExtractor"),
    ],
)
def test_audio_input_other_than_16_khz_waveforms_is_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_normalize(write(tmp_path, preprocessor_config=settings))


def test_missing_audio_settings_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        read_normalize(tmp_path)


def test_the_fingerprint_changes_with_any_file(tmp_path: Path) -> None:
    write(tmp_path, vocab=VOCAB, config={})
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    os.utime(tmp_path / "vocab.json", ns=(1, 1))
    second = fingerprint(tmp_path)
    write(tmp_path, added_tokens={})
    assert len({first, second, fingerprint(tmp_path)}) == 3
