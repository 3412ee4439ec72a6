"""Every style of checkpoint in use: transcribed and trained as in transformers, or refused by one clear sentence.

What is not supported is listed here, and nowhere else in these tests: a style that becomes supported loses its entry.
"""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import torch
import transformers
from numpy.typing import NDArray

import thano_duckdb
from tests.checkpoint_styles import STYLES, write_style
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.speech.alphabet import Alphabet
from thano_duckdb.speech.libraries import quiet_transformers
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint

NO_VOCABULARY = "has no vocabulary: it holds neither vocab.json nor tokenizer.json"
NO_HEAD = r"is missing 2 of its weights \(lm_head.bias, ...\): .* pretrained but not fine-tuned for speech recognition"
NO_TRAINING = "is a {} model, which PREDICT can use but BUILD cannot train: use a model that reads the waveform"

# Never supported.
REFUSED = {
    "BERT vocabulary": "has subword tokens .* only character vocabularies are supported",
    "BERT tokenizer": "uses a BertTokenizer; only tokenizers of characters",
    "add_adapter": r"reduces its frame rate with an adapter \(add_adapter=true\), which is not supported",
    "Whisper": r"is a whisper model, which writes its text with a decoder \(sequence to sequence\): use a CTC model",
    "a weight is missing": r"is missing 1 of its weights \(lm_head.weight\): a file was cut short",
    "pickled weights": r"holds its weights only as a pickle \(pytorch_model.bin\), .* convert it: transformers",
}
# PREDICT refuses them for good: there is nothing to write text with. BUILD gives them what they lack.
REFUSED_BY_PREDICT = {
    "SSL wav2vec2-base": NO_VOCABULARY,
    "SSL XLS-R": NO_VOCABULARY,
    "SSL HuBERT": NO_VOCABULARY,
    "SSL WavLM": NO_VOCABULARY,
    "SSL with its own vocabulary": NO_HEAD,
    "SSL with a larger vocabulary": NO_HEAD,
}
# PREDICT and EVALUATE use them. Could be trained one day.
REFUSED_BY_BUILD = {
    "phoneme tokenizer": "writes phonemes or subwords, which PREDICT can use but BUILD cannot train",
    "wav2vec2-BERT": NO_TRAINING.format("wav2vec2-bert"),
    "Parakeet-CTC": NO_TRAINING.format("parakeet_ctc"),
}
# Known faults: each of these tests fails, and says so as soon as it does not.
WRONG_TEXT: set[str] = set()
WRONG_LABELS: set[str] = set()
OTHER_LABELS = {"Korean compatibility jamo"}
"""We write syllables in them, and transformers has no label for a syllable."""

TRANSCRIBED = [name for name in STYLES if name not in REFUSED | REFUSED_BY_PREDICT]
TRAINED = [name for name in STYLES if name not in REFUSED | REFUSED_BY_BUILD]

# Of the rest each differs from one of these only in its letters, or in files that other tests here read.
AT_EVERY_CHANGE = {
    "wav2vec2-base-960h", "wav2vec2-large-960h-lv60-self", "wav2vec2 without normalization",
    "XLSR-53 with a language model", "community, [PAD] last", "community, added_tokens_decoder", "Korean syllables",
    "Chinese", "French, a space as delimiter", "MMS", "HuBERT base", "HuBERT with batch norm", "WavLM large",
    "Data2VecAudio", "UniSpeechSat", "float16 shards", "processor_config.json only", "no tokenizer_config.json",
    "another pad_token_id", "SEW", "Conformer, relative", "phoneme tokenizer", "wav2vec2-BERT", "Parakeet-CTC",
    "SSL XLS-R", "SSL WavLM", "SSL with a larger vocabulary",
}  # fmt: skip
MAX_CER_OF_LOW_PRECISION = 0.3
"""Against float32. Random weights are far less certain than trained ones, of which other tests ask for more."""

Folder = Callable[[str], Path]


def params(names: list[str], faulty: set[str], at_once: set[str] | None = None) -> list[Any]:
    """Parameters of a test: those in `faulty` fail, and those not in `at_once` run at night."""
    return [
        pytest.param(
            name,
            marks=[
                *([pytest.mark.xfail(reason="a known fault")] if name in faulty else []),
                *([pytest.mark.nightly] if at_once is not None and name not in at_once else []),
            ],
        )
        for name in names
    ]


@dataclass(frozen=True)
class PlainTransformers:
    """A checkpoint as plain transformers runs it: one clip at a time, its processor around it."""

    network: Any
    extractor: Any
    tokenizer: Any

    @classmethod
    def load(cls, folder: Path, language: str | None = None) -> PlainTransformers:
        """Load a folder by the classes that transformers itself chooses; in MMS one of its languages."""
        with quiet_transformers():
            network = cls._network(folder, language)
            processor = transformers.AutoProcessor.from_pretrained(folder)
        return cls(network, processor.feature_extractor, processor.tokenizer)

    @classmethod
    def load_parts(cls, folder: Path, language: str | None = None) -> PlainTransformers:
        """The same, but feature extractor and tokenizer each by itself, and no language model."""
        with quiet_transformers():
            network = cls._network(folder, language)
            extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return cls(network, extractor, tokenizer)

    @staticmethod
    def _network(folder: Path, language: str | None) -> Any:
        chosen = {"target_lang": language, "ignore_mismatched_sizes": True} if language else {}
        return transformers.AutoModelForCTC.from_pretrained(folder, dtype=torch.float32, **chosen).eval()

    def text(self, path: str) -> str:
        """The text of a clip by greedy decoding; we also merge delimiters in a row, and put jamo together."""
        samples, rate_hz = soundfile.read(path, dtype="float32")
        inputs = self.extractor(samples, sampling_rate=rate_hz, return_tensors="pt")
        with torch.inference_mode():
            logits = self.network(**inputs).logits[0]
        if hasattr(self.network, "ctc_head"):  # `generate` of Parakeet takes the frames of the padding for blanks
            logits = logits[: int(self.network._get_subsampling_output_length(inputs.attention_mask.sum(-1)))]
        text = re.sub("<unk>|<s>|</s>", "", self.tokenizer.decode(logits.argmax(-1).tolist()))
        return " ".join(unicodedata.normalize("NFC", text).split())


def noise(n_samples: int, seed: int) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    coloured = np.convolve(random.normal(0, 1, n_samples), random.normal(0, 1, 12), mode="same")
    return 0.1 * coloured * np.sin(np.arange(n_samples) / 1_700)


@pytest.fixture(scope="module", autouse=True)
def _one_torch_thread() -> Any:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Returns the folder of a style, written once."""
    folders: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in folders:
            folders[name] = write_style(name, tmp_path_factory.mktemp("style"))
        return folders[name]

    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three clips of noise, 0.6 to 1.3 s, and one of 90 s."""
    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for index, n_samples in enumerate((20_000, 9_000, 14_001, 90 * 16_000)):
        paths.append(str(folder / f"{index}.wav"))
        soundfile.write(paths[-1], noise(n_samples, seed=index), 16_000)
    return paths


def predict(con: thano_duckdb.Connection, folder: Path | str, clips: list[str], **options: str) -> list[str]:
    chosen = {"device": "cpu", "precision": "float32", "level": "exact"} | options
    listed = ", ".join(f"{name}='{value}'" for name, value in chosen.items())
    query = "SELECT unnest(?::VARCHAR[]) AS audio_path, unnest(range(4)) AS id"
    rows = con.execute(
        f"SELECT predicted FROM (PREDICT USING '{folder}' OPTIONS ({listed}, language_model=NULL) AS {query}) "
        "WHERE audio_path IS NOT NULL ORDER BY id",
        [clips],
    ).fetchall()
    return [text for (text,) in rows]


@pytest.mark.parametrize("name", params(TRANSCRIBED, WRONG_TEXT))
def test_a_style_gives_the_texts_of_transformers(
    con: thano_duckdb.Connection, folder_of: Folder, clips: list[str], name: str
) -> None:
    folder = folder_of(name)
    reference = PlainTransformers.load_parts(folder, language_of(folder))
    expected = [reference.text(path) for path in clips[:3]]
    assert all(len(text) > 3 for text in expected)
    assert predict(con, folder, clips[:3]) == expected


def language_of(folder: Path) -> str | None:
    """The language that an MMS checkpoint is set to."""
    settings = folder / "tokenizer_config.json"
    language = json.loads(settings.read_text(encoding="utf-8")).get("target_lang") if settings.exists() else None
    return None if language is None else str(language)


@pytest.mark.parametrize("name", params(TRANSCRIBED, set(), AT_EVERY_CHANGE))
def test_a_style_runs_in_low_precision_and_on_a_long_clip(
    con: thano_duckdb.Connection, folder_of: Folder, clips: list[str], name: str
) -> None:
    folder = folder_of(name)
    exact = predict(con, folder, clips)
    assert len(exact[3]) > 20 * len(exact[1])
    for precision in ("bfloat16", "int8"):
        texts = predict(con, folder, clips[:3], precision=precision)
        assert jiwer.cer(exact[:3], texts) < MAX_CER_OF_LOW_PRECISION, precision


@pytest.mark.parametrize(
    "name", params([name for name in TRAINED if name in TRANSCRIBED and name not in OTHER_LABELS], WRONG_LABELS)
)
def test_the_labels_of_a_style_are_those_of_its_tokenizer(folder_of: Folder, name: str) -> None:
    folder = folder_of(name)
    alphabet = Alphabet(CtcCheckpoint.read(folder).vocabulary)
    with quiet_transformers():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for word in STYLES[name].words:
        assert list(alphabet.labels(word).ids) == tokenizer(word).input_ids


@pytest.mark.parametrize("name", params(TRAINED, set(), AT_EVERY_CHANGE))
def test_a_model_trained_from_a_style_gives_the_same_texts_in_transformers(
    con: thano_duckdb.Connection, folder_of: Folder, clips: list[str], name: str, tmp_path: Path
) -> None:
    with thano_duckdb.connect(model_home=tmp_path, progress=False) as own:
        build(own, folder_of(name), clips, STYLES[name].words)
        ((folder,),) = own.sql("SELECT path FROM thano_models() WHERE name = 'mine'").fetchall()
        texts = predict(own, "mine", clips[:3])
    reference = PlainTransformers.load(Path(folder))
    assert texts == [reference.text(path) for path in clips[:3]]


@pytest.mark.parametrize("name", params(TRANSCRIBED, WRONG_TEXT, AT_EVERY_CHANGE))
def test_an_uploaded_style_gives_the_same_texts_in_transformers(
    folder_of: Folder, clips: list[str], name: str, tmp_path: Path
) -> None:
    """`AutoProcessor` loads it, also where the folder does not name its classes or has a language model."""
    with thano_duckdb.connect(model_home=tmp_path, progress=False) as own:
        own.execute(f"UPLOAD MODEL mine FROM '{folder_of(name)}'")
        ((folder,),) = own.sql("SELECT path FROM thano_models() WHERE name = 'mine'").fetchall()
        texts = predict(own, "mine", clips[:1])
    assert texts == [PlainTransformers.load(Path(folder), language_of(Path(folder))).text(clips[0])]


def test_a_model_keeps_the_language_model_of_its_base_for_whoever_asks_for_it(
    folder_of: Folder, clips: list[str], tmp_path: Path
) -> None:
    name = "XLSR-53 with a language model"
    with thano_duckdb.connect(model_home=tmp_path, progress=False) as con:
        con.execute(f"UPLOAD MODEL uploaded FROM '{folder_of(name)}'")
        build(con, folder_of(name), clips, STYLES[name].words)
        for model in ("uploaded", "mine"):
            ((folder, file),) = con.sql(f"SELECT path, language_model FROM thano_check('{model}')").fetchall()
            assert file == "language_model/2gram.arpa"
            # What pyctcdecode needs to load it.
            assert {path.name for path in (Path(folder) / "language_model").iterdir()} == {
                "2gram.arpa", "unigrams.txt", "attrs.json",
            }  # fmt: skip
            assert (Path(folder) / "alphabet.json").read_bytes() == (folder_of(name) / "alphabet.json").read_bytes()
            query = f"AS SELECT '{clips[0]}' AS audio_path"
            with pytest.warns(ThanoWarning, match=r"which is not used: OPTIONS \(language_model='model'\) uses it"):
                ((_, greedy),) = con.sql(f"PREDICT USING {model} OPTIONS (device='cpu') {query}").fetchall()
            options = "device='cpu', language_model='model', lm_weight=5"
            ((_, searched),) = con.sql(f"PREDICT USING {model} OPTIONS ({options}) {query}").fetchall()
            assert searched
            assert searched != greedy


def build(con: thano_duckdb.Connection, base: Path, clips: list[str], words: list[str]) -> None:
    options = "epochs=1, batch_size=3, learning_rate=1e-5, device='cpu'"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the new model is not better|the new model cannot write|the new alphabet has")
        con.execute(
            f"BUILD MODEL mine USING '{base}' OPTIONS ({options}) AS "
            "SELECT unnest(?::VARCHAR[]) AS audio_path, unnest(?::VARCHAR[]) AS text",
            [clips[:3], words[:3]],
        ).fetchall()


@pytest.mark.parametrize("name", STYLES)
def test_thano_check_says_what_predict_and_build_can_use(
    con: thano_duckdb.Connection, folder_of: Folder, name: str
) -> None:
    query = f"SELECT predict, build, problem FROM thano_check('{folder_of(name)}')"
    ((predict, build, problem),) = con.sql(query).fetchall()
    refused = (REFUSED | REFUSED_BY_BUILD | REFUSED_BY_PREDICT).get(name)
    assert predict == (name in TRANSCRIBED)
    assert build == (name in TRAINED)
    assert (problem is None) == (predict and build)
    assert problem is None or re.search(str(refused), problem)


@pytest.mark.parametrize(("name", "sentence"), [*(REFUSED | REFUSED_BY_PREDICT).items()])
def test_predict_refuses_a_style_in_one_sentence(
    con: thano_duckdb.Connection, folder_of: Folder, clips: list[str], name: str, sentence: str
) -> None:
    with pytest.raises(ThanoError, match=sentence) as refusal:
        predict(con, folder_of(name), clips[:1])
    assert_one_sentence(refusal.value, folder_of(name))


@pytest.mark.parametrize(("name", "sentence"), [*(REFUSED | REFUSED_BY_BUILD).items()])
def test_build_refuses_a_style_in_one_sentence(
    tmp_path: Path, folder_of: Folder, clips: list[str], name: str, sentence: str
) -> None:
    with (
        thano_duckdb.connect(model_home=tmp_path, progress=False) as con,
        pytest.raises(ThanoError, match=sentence) as refusal,
    ):
        build(con, folder_of(name), clips, STYLES[name].words)
    assert_one_sentence(refusal.value, folder_of(name))


def assert_one_sentence(error: ThanoError, folder: Path) -> None:
    message = str(error).splitlines()[0].replace(str(folder), "the folder")
    assert len(message) < 400
    assert "Traceback" not in message
