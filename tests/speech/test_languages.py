"""Checkpoints of many languages write, in each, what transformers writes with `target_lang` for the clip alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mms import DEFAULT, LETTERS, hugging_face_text, set_target_lang, vocabulary, write_mms
from tests.speech.oracles import Clips, library_of, names, texts, transcribe
from thano_duckdb.errors import LanguageError, ModelError
from thano_duckdb.speech import loading
from thano_duckdb.speech.engine import Engine
from thano_duckdb.speech.loading import load_engine, loaded_engine


@pytest.fixture(scope="module")
def shared_mms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mms(tmp_path_factory.mktemp("mms"))


@pytest.fixture
def mms(shared_mms: Path, tmp_path: Path) -> Path:
    """A checkpoint of which each test has its own copy."""
    return Path(shutil.copytree(shared_mms, tmp_path / "mms"))


def written(engine: Engine, clips: Clips) -> list[str | None]:
    return texts(transcribe(Engine(engine.recognizer, read=library_of(clips)), names(clips)))


def test_each_language_gives_the_texts_of_transformers(mms: Path, noises: Clips) -> None:
    seen = set()
    for language in ("kor", None, "deu", "kor", DEFAULT):  # back and forth over one network
        found = written(load_engine(mms, "cpu", "float32", language), noises)
        target = language if language != DEFAULT else None  # transformers finds no adapter of the default
        assert found == [hugging_face_text(mms, clip, target) for clip in noises]
        assert all(found)
        seen.add(tuple(found))
    assert len(seen) == 3


def test_a_language_that_is_named_in_the_tokenizer_has_its_adapter_and_head(mms: Path, noises: Clips) -> None:
    expected = [hugging_face_text(mms, clip, "kor") for clip in noises]
    set_target_lang(mms, "kor")
    assert written(load_engine(mms, "cpu", "float32"), noises) == expected
    (mms / "adapter.kor.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks adapter\.kor\.safetensors.*it has the adapters of deu"):
        load_engine(mms, "cpu", "float32")


def test_languages_that_were_used_last_are_kept(mms: Path, noises: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_LANGUAGES", 2)
    loading._loaded.clear()
    for language in ("kor", "deu", DEFAULT, "kor"):
        engine = load_engine(mms, "cpu", "float32", language)
        target = language if language != DEFAULT else None
        assert written(engine, noises[:2]) == [hugging_face_text(mms, clip, target) for clip in noises[:2]]
        assert loaded_engine(mms, "cpu", "float32", language) is engine
    assert loaded_engine(mms, "cpu", "float32", "deu") is None


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_every_precision_has_every_language(tmp_path: Path, noises: Clips, precision: str) -> None:
    mms = write_mms(tmp_path / "mms", adapter_attn_dim=64, hidden_size=64)
    korean = written(load_engine(mms, "cpu", precision, "kor"), noises)
    for language in ("deu", "eng"):
        swapped = written(load_engine(mms, "cpu", precision, language), noises)
        loading._loaded.clear()
        assert swapped == written(load_engine(mms, "cpu", precision, language), noises) != korean


def test_the_languages_of_a_checkpoint_share_its_network(mms: Path, n_loads: list[Path]) -> None:
    assert loaded_engine(mms, "cpu", language="kor") is None
    engines = [load_engine(mms, "cpu", language=language) for language in ("kor", "deu", "eng", "KOR")]
    assert engines[0] is engines[3] is loaded_engine(mms, "cpu", language="kor")
    assert len({id(engine) for engine in engines}) == 3
    assert n_loads == [mms]
    networks = {id(engine.recognizer.model.network) for engine in engines}  # type: ignore[attr-defined]
    assert len(networks) == 1


def test_transcripts_in_the_cache_belong_to_a_language(mms: Path) -> None:
    engines = [load_engine(mms, "cpu", language=language) for language in ("kor", "deu", "eng")]
    fingerprints = {engine.recognizer.fingerprint(engine.recognizer.default_decoder) for engine in engines}
    assert len(fingerprints) == 3
    os.utime(mms / "adapter.deu.safetensors", ns=(1, 1))
    assert loaded_engine(mms, "cpu", language="kor") is engines[0]  # another language may be downloaded at any time
    assert loaded_engine(mms, "cpu", language="deu") is None
    assert load_engine(mms, "cpu", language="deu") is not engines[1]


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("ko", "'kor'"),
        ("ko-KR", "'kor'"),
        ("korean", "'kor'"),
        ("dei", "'deu'"),
        ("de", "'deu'"),
        ("zh", "'cmn-script_simplified'"),
        ("cmn", "'cmn-script_simplified'"),
    ],
)
def test_a_language_that_the_model_lacks_gives_the_nearest_codes(mms: Path, given: str, nearest: str) -> None:
    with pytest.raises(LanguageError, match=rf"^the model has no language '{given}' .*: did you mean {nearest}\?"):
        load_engine(mms, "cpu", language=given)


def test_a_language_like_none_of_the_model_gives_some_of_its_codes(mms: Path) -> None:
    with pytest.raises(LanguageError, match=r"no language '\.\./x' among its 4\. Its codes are eng, kor, deu, cmn-"):
        load_engine(mms, "cpu", language="../x")


def test_a_model_of_one_language_has_no_choice(random_model: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match=r"no adapters for languages.*omit the option 'language'"):
        load_engine(random_model("wav2vec2-layer"), "cpu", language="eng")


def test_a_model_without_a_default_needs_a_choice(mms: Path, noises: Clips) -> None:
    set_target_lang(mms, None)
    with pytest.raises(ModelError, match=r"vocabularies for 4 languages.*OPTIONS \(language='eng'\)"):
        load_engine(mms, "cpu")
    assert all(written(load_engine(mms, "cpu", language="kor"), noises))


def test_a_damaged_adapter_is_refused_in_a_sentence(mms: Path) -> None:
    good = (mms / "adapter.kor.safetensors").read_bytes()
    other = write_mms(mms.parent / "other", adapter_attn_dim=8)
    for content, problem in (
        (good[:1000], "is damaged"),
        (b"", "is damaged"),
        ((mms / "model.safetensors").read_bytes(), "does not belong to this network, which has no wav2vec2"),
        ((other / "adapter.kor.safetensors").read_bytes(), "cannot be loaded"),
    ):
        (mms / "adapter.kor.safetensors").write_bytes(content)
        for first in ("eng", "kor"):  # over a network that is loaded already, and with its network
            loading._loaded.clear()
            with pytest.raises(ModelError, match=problem):
                [load_engine(mms, "cpu", language=language) for language in (first, "kor")]


def test_added_tokens_of_the_default_language_do_not_hide_those_of_another(mms: Path, noises: Clips) -> None:
    path = mms / "tokenizer_config.json"
    added = {str(index): {"content": token} for index, token in ((0, "<pad>"), (6, "ä"), (9, "[EXTRA]"))}
    path.write_text(json.dumps({**json.loads(path.read_text()), "added_tokens_decoder": added}))
    found = written(load_engine(mms, "cpu", "float32", "kor"), noises)
    assert found == [hugging_face_text(mms, clip, "kor") for clip in noises]


def test_a_published_fine_tune_of_one_language_needs_no_adapter_file(mms: Path, noises: Clips) -> None:
    for path in mms.glob("adapter.*"):
        path.unlink()
    english = {token: index for token, index in vocabulary("eng").items() if token != "'"}  # one output without a token
    (mms / "vocab.json").write_text(json.dumps({"eng": english}))
    found = written(load_engine(mms, "cpu", "float32"), noises)
    assert all(found)
    assert set("".join(map(str, found))) <= {*LETTERS["eng"], " "}
