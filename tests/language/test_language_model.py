"""What the option `language_model` means."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.checkpoints import make_checkpoint
from tests.language.kit import build, tutorial_sentences
from thano_duckdb.errors import ModelError, RegistryError
from thano_duckdb.language.language_model import LanguageModel, resolve_language_model
from thano_duckdb.models import bundled
from thano_duckdb.models.registry import Registry
from thano_duckdb.models.resolve import resolve

TINY_BINARY = Path(__file__).with_name("tiny.kenlm")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ' "


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


def publish(registry: Registry, name: str = "calls", *, overwrite: bool = False) -> Path:
    with registry.stage() as folder:
        build(folder, tutorial_sentences())
        return registry.publish(folder, name, kind="language model", overwrite=overwrite, description="of calls").path


def found(value: str, registry: Registry, **keywords: object) -> LanguageModel:
    model = resolve_language_model(value, registry, **keywords)  # type: ignore[arg-type]
    assert model is not None
    return model


def test_none_is_none(registry: Registry) -> None:
    assert resolve_language_model(None, registry) is None


def test_a_registered_name_means_its_newest_version_or_the_one_given(registry: Registry) -> None:
    first, second = publish(registry), publish(registry, overwrite=True)
    assert found("Calls", registry).path.parent == second
    assert found("calls@1", registry).path.parent == first
    model = found("calls", registry)
    assert (model.name, model.order, model.description, model.is_binary) == ("calls@2", 3, "of calls", False)
    assert set(model.unigrams() or ()) == {word for line in tutorial_sentences() for word in line.split()}
    with pytest.raises(ModelError, match="the model 'calls' has no version 3; it has 1, 2"):
        found("calls@3", registry)


def test_a_path_means_its_file_and_a_name_in_the_folder_only_where_nothing_is_registered(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = build(tmp_path, ["a b c"])
    monkeypatch.chdir(tmp_path)
    for value in (str(path), "./language_model.arpa.gz", "language_model.arpa.gz"):
        assert found(value, registry).path == path
    path.rename("calls")
    assert found("calls", registry).unigrams() == ("a", "b", "c")
    registered = publish(registry)
    assert found("calls", registry).path.parent == registered
    assert found("./calls", registry).path == tmp_path / "calls"


def test_a_kenlm_binary_says_its_order_and_its_words(registry: Registry) -> None:
    model = found(str(TINY_BINARY), registry)
    assert (model.order, model.is_binary) == (2, True)
    assert sorted(model.unigrams() or ()) == ["a", "cat", "dog", "sat", "the"]


def test_the_words_of_a_binary_without_them_come_from_the_list_beside_it(registry: Registry, tmp_path: Path) -> None:
    content = TINY_BINARY.read_bytes()
    path = tmp_path / "lm.bin"
    path.write_bytes(with_byte(content[: content.rindex(b"<unk>\0")], HAS_WORDS_AT, 0))
    assert found(str(path), registry).unigrams() is None
    (tmp_path / "b").mkdir()
    shutil.copyfile(path, tmp_path / "b" / "lm.bin")
    (tmp_path / "b" / "unigrams.txt").write_text("<s>\ncat\nsat\n")
    assert found(str(tmp_path / "b" / "lm.bin"), registry).unigrams() == ("cat", "sat")


HAS_WORDS_AT = 100
"""Where the header of a KenLM binary says whether the words are at its end; its vocabulary begins at 128."""


def with_byte(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes([value]) + content[at + 1 :]


def test_a_binary_that_is_cut_short_anywhere_is_refused(registry: Registry, tmp_path: Path) -> None:
    content = TINY_BINARY.read_bytes()
    path = tmp_path / "lm.bin"
    for n_bytes in range(60, len(content)):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(ModelError, match=r"is damaged: it (ends|has)"):
            found(str(path), registry)


@pytest.mark.parametrize("at", [*range(92, 96), 96, *range(110, 116), *range(118, 124), *range(128, 136)])
def test_a_binary_whose_header_is_damaged_is_refused(at: int, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "lm.bin"
    path.write_bytes(with_byte(TINY_BINARY.read_bytes(), at, 0x7F))  # KenLM crashes on some of them
    if at in (92, 93):  # the lowest bits of the multiplier
        found(str(path), registry)
        return
    with pytest.raises(ModelError, match="is damaged"):
        found(str(path), registry)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ('{"alpha": "0.5"}', "alpha in .* must be a number from 0 to 100, not '0.5'"),
        ('{"alpha": NaN}', "cannot be read as JSON: NaN is not JSON"),
        ('{"beta": Infinity}', "cannot be read as JSON: Infinity is not JSON"),
        ('{"beta": 1e999}', "beta in .* must be a number from -100 to 100, not 'inf'"),
        ('{"alpha": 1e300}', r"alpha in .* must be a number from 0 to 100, not '1e\+300'"),
        ('{"beta": %s}' % ("9" * 400), "beta in .* must be a number from -100 to 100"),
        ('{"beta": true}', "beta in .* must be a number from -100 to 100, not 'True'"),
        ("[1]", "is not a JSON object"),
    ],
)  # fmt: skip
def test_weights_that_are_none_are_refused(attributes: str, sentence: str, registry: Registry, tmp_path: Path) -> None:
    path, _ = build(tmp_path, ["a b"])
    (tmp_path / "attrs.json").write_text('{"alpha": null, "other": "x"}')
    assert found(str(path), registry).lm_weight is None
    (tmp_path / "attrs.json").write_text(attributes)
    with pytest.raises(ModelError, match=sentence):
        found(str(path), registry)


def test_a_list_of_words_that_is_none_is_refused(registry: Registry, tmp_path: Path) -> None:
    content = TINY_BINARY.read_bytes()
    path = tmp_path / "lm.bin"
    path.write_bytes(with_byte(content[: content.rindex(b"<unk>\0")], HAS_WORDS_AT, 0))
    words = tmp_path / "unigrams.txt"
    words.write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(ModelError, match=r"unigrams\.txt is not a list of words in UTF-8: .* at byte 2"):
        found(str(path), registry)
    with words.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(ModelError, match=r"unigrams\.txt is too large"):
        found(str(path), registry)


def test_files_beside_the_model_need_permission_too(registry: Registry, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"alpha": 0.5}')
    path, _ = build(tmp_path / "open", ["a b"])
    (tmp_path / "open" / "attrs.json").symlink_to(secret)

    def may_read(file: Path) -> bool:
        return file.resolve().is_relative_to(tmp_path / "open")

    with pytest.raises(ModelError, match=r"may not read .*attrs\.json"):
        found(str(path), registry, may_read=may_read)
    folder = make_checkpoint(tmp_path / "open" / "acoustic")
    shutil.copytree(tmp_path / "open", folder / "language_model", ignore=lambda *_: ["acoustic"], symlinks=True)
    with pytest.raises(ModelError, match=r"may not read .*attrs\.json"):
        found("model", registry, acoustic_model=folder, may_read=may_read)


@pytest.mark.parametrize("n_bytes", [60, 90, 100])
def test_a_binary_that_is_cut_short_or_of_another_version_is_refused(
    n_bytes: int, registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "lm.bin"
    path.write_bytes(TINY_BINARY.read_bytes()[:n_bytes])
    with pytest.raises(ModelError, match="is damaged"):
        found(str(path), registry)
    path.write_bytes(TINY_BINARY.read_bytes().replace(b"version 5", b"version 4"))
    with pytest.raises(ModelError, match="another version of KenLM"):
        found(str(path), registry)


def with_language_model(folder: Path) -> Path:
    """An acoustic model as `Wav2Vec2ProcessorWithLM` saves it."""
    make_checkpoint(folder)
    inside = folder / "language_model"
    build(inside, ["a b", "b a"])
    (inside / "attrs.json").write_text(json.dumps({"alpha": 0.5, "beta": 1.5, "unk_score_offset": -10.0}))
    (inside / "unigrams.txt").write_text("a\nb\n")
    (folder / "alphabet.json").write_text(json.dumps({"labels": [" ", "a", "b"], "is_bpe": False}))
    return folder


def test_model_means_the_one_in_the_folder_of_the_acoustic_model(registry: Registry, tmp_path: Path) -> None:
    folder = with_language_model(tmp_path / "acoustic")
    model = found("model", registry, acoustic_model=folder)
    assert model.path.parent == folder / "language_model"
    assert (model.lm_weight, model.word_score) == (0.5, 1.5)
    with pytest.raises(ModelError, match="the acoustic model has no language model"):
        found("model", registry, acoustic_model=make_checkpoint(tmp_path / "without"))
    with pytest.raises(ModelError, match="here there is none"):
        found("model", registry)


def test_upload_keeps_the_language_model_of_an_acoustic_model(registry: Registry, tmp_path: Path) -> None:
    folder = with_language_model(tmp_path / "acoustic")
    (folder / "language_model" / "notes.pickle").write_text("not needed")
    entry = registry.upload("mine", folder)
    files = sorted(path.name for path in (entry.path / "language_model").iterdir())
    assert files == ["attrs.json", "language_model.arpa.gz", "unigrams.txt"]
    model = found("model", registry, acoustic_model=entry.path, may_read=lambda _path: False)
    assert model.fingerprint == found("model", registry, acoustic_model=folder).fingerprint


def test_en_is_the_one_of_the_package(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "LANGUAGE_MODEL_FOLDER", tmp_path / "none")
    with pytest.raises(ModelError, match="is missing from this copy of the package"):
        found("en", registry)
    build(tmp_path / "none", ["a b"])
    assert found("EN", registry, may_read=lambda _path: False).name == "en"


def test_what_is_no_language_model_is_refused(registry: Registry, tmp_path: Path) -> None:
    publish(registry)
    acoustic = make_checkpoint(tmp_path / "acoustic")
    registry.upload("acoustic", acoustic)
    (tmp_path / "text.arpa").write_text("hello")
    inside = with_language_model(tmp_path / "both")
    several = tmp_path / "several"
    several.mkdir()
    for name in ("a.arpa", "b.arpa"):
        (several / name).write_text("anything")
    for value, sentence in {
        "call": "there is no language model 'call'. Did you mean 'calls'?",
        "": "there is no language model ''",
        "a\0b": "there is no language model",
        "./a\0b": "there is no language model",
        "./nothing.arpa": "there is no language model .*nothing.arpa",
        "acoustic": "'acoustic@1' is an acoustic model",
        str(tmp_path / "text.arpa"): "is not a language model",
        str(acoustic): "is a folder; a language model is a file",
        str(inside): "write '.*both/language_model/language_model.arpa.gz'",
        "file:///tmp/m.arpa": "a file on this machine, and .* is an address",
        "http://host/m.arpa": "a file on this machine, and .* is an address",
        str(several): "is a folder; a language model is a file .ARPA, or a KenLM binary.$",
        "hf://owner/name": "not taken from the hub",
        "x" * 10_000: "there is no language model 'xxx",
    }.items():
        with pytest.raises(ModelError, match=sentence) as refused:
            found(value, registry)
        assert len(str(refused.value)) < 700


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(registry: Registry, tmp_path: Path) -> None:
    path, _ = build(tmp_path, ["a b"])
    path.chmod(0)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        found(str(path), registry)


def test_a_file_that_the_database_may_not_read_is_refused_whether_it_exists_or_not(
    registry: Registry, tmp_path: Path
) -> None:
    path, _ = build(tmp_path, ["a b"])
    refusals = set()
    for value in (path, tmp_path / "nothing.arpa"):
        with pytest.raises(ModelError, match="this database may not read") as refused:
            found(str(value), registry, may_read=lambda _path: False)
        refusals.add(str(refused.value).replace(str(value), ".."))
    assert len(refusals) == 1


def test_a_model_of_another_alphabet_is_refused(registry: Registry, tmp_path: Path) -> None:
    english, _ = build(tmp_path / "english", tutorial_sentences())
    greek, _ = build(tmp_path / "greek", ["καλημέρα σας", "σας ευχαριστώ", "ok"])
    assert found(str(english), registry, alphabet=LETTERS)
    assert found(str(greek), registry)
    with pytest.raises(ModelError, match="does not fit: the acoustic model can spell 1 of its 4 words, and not 'σας'"):
        found(str(greek), registry, alphabet=LETTERS)


def test_words_in_capitals_are_noticed(registry: Registry, tmp_path: Path) -> None:
    path, _ = build(tmp_path / "capitals", [line.upper() for line in tutorial_sentences()])
    model = found(str(path), registry, alphabet=LETTERS.lower())
    assert model.is_upper_case
    assert not found(str(TINY_BINARY), registry).is_upper_case


def test_the_fingerprint_is_that_of_the_content(registry: Registry, tmp_path: Path) -> None:
    path, _ = build(tmp_path / "one", ["a b"])
    first = found(str(path), registry).fingerprint
    shutil.copyfile(path, tmp_path / "copy.arpa.gz")
    assert found(str(tmp_path / "copy.arpa.gz"), registry).fingerprint == first
    build(tmp_path / "one", ["a c"])
    assert found(str(path), registry).fingerprint != first


def test_a_change_is_noticed_even_where_the_size_and_the_time_of_modification_stay(
    registry: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "m.arpa"
    text = (
        "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.3\n-1\t</s>\n-0.5\thello\t-0.1\n\n"
        "\\2-grams:\n-0.2\t<s> hello\n\n\\end\\\n"
    )
    for word in ("hello", "jello"):
        path.write_text(text.replace("hello", word))
        os.utime(path, (1, 1))
        assert found(str(path), registry).unigrams() == (word,)


def test_a_change_of_the_list_of_words_beside_a_binary_is_noticed(registry: Registry, tmp_path: Path) -> None:
    content = TINY_BINARY.read_bytes()
    path, words = tmp_path / "lm.bin", tmp_path / "unigrams.txt"
    path.write_bytes(with_byte(content[: content.rindex(b"<unk>\0")], HAS_WORDS_AT, 0))
    fingerprints = set()
    for text in (None, "cat\nsat\n", "cat\ndog\n"):
        if text is not None:
            words.write_text(text)
        model = found(str(path), registry)
        assert model.unigrams() == (None if text is None else tuple(text.split()))
        fingerprints.add(model.fingerprint)
    assert len(fingerprints) == 3


def test_a_language_model_does_not_transcribe(registry: Registry) -> None:
    publish(registry)
    for name in ("calls", "en"):
        with pytest.raises(ModelError, match=f"'{name}' is a language model, which does not transcribe"):
            resolve(name, registry)


def test_a_name_keeps_its_kind(registry: Registry, tmp_path: Path) -> None:
    publish(registry)
    with pytest.raises(RegistryError, match="'calls' is a language model"):
        registry.upload("calls", make_checkpoint(tmp_path / "acoustic"), overwrite=True)
    registry.upload("acoustic", tmp_path / "acoustic")
    with pytest.raises(RegistryError, match="'acoustic' is an acoustic model"):
        publish(registry, "acoustic", overwrite=True)
    for name in ("en", "Model"):
        with pytest.raises(RegistryError, match="choose another name"):
            publish(registry, name)
