"""A checkpoint of many languages whose files are damaged is refused in one sentence, and no other error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.mms import write_mms
from thano_duckdb.errors import LanguageError, ModelError
from thano_duckdb.models.adapters import Languages, chosen_language, find_adapter
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint

NONSENSE: list[Any] = [
    None,
    True,
    3,
    -1,
    1.5,
    "x",
    "",
    [],
    [[1]],
    {},
    {"x": []},
    {"1": {"x": 1}},
    {"²": 1, "9" * 30: 2},
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mms(tmp_path_factory.mktemp("mms"))


@pytest.mark.parametrize(
    "at",
    [
        ("vocab.json",),
        ("vocab.json", "eng"),
        ("vocab.json", "eng", "a"),
        ("vocab.json", "kor"),
        ("vocab.json", "kor", "가"),
        ("tokenizer_config.json",),
        ("tokenizer_config.json", "target_lang"),
        ("tokenizer_config.json", "added_tokens_decoder"),
        ("added_tokens.json",),
        ("config.json", "vocab_size"),
        ("config.json", "adapter_attn_dim"),
    ],
    ids="/".join,
)
def test_nonsense_in_a_file_is_an_error_of_ours_or_harmless(shared: Path, tmp_path: Path, at: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(shared, tmp_path / "mms"))
    path = folder / at[0]
    good = json.loads(path.read_text()) if path.exists() else {}
    refusals = []
    for value in NONSENSE:
        content = json.loads(json.dumps(good))
        inner = content
        for key in at[1:-1]:
            inner = inner[key]
        if at[1:]:
            inner[at[-1]] = value
        else:
            content = value
        path.write_text(json.dumps(content))
        for language in (None, "eng", "kor"):
            try:
                CtcCheckpoint.read(folder, language=language)
            except ModelError as error:
                refusals.append(str(error))
    assert refusals
    assert all(len(refusal) < 600 and "\n" not in refusal for refusal in refusals)


def test_the_weights_of_the_network_serve_a_language_only_where_its_alphabet_fits(shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared, tmp_path / "mms"))
    assert find_adapter(folder, "eng") is None
    assert find_adapter(folder, "kor") == folder / "adapter.kor.safetensors"
    vocabularies = json.loads((folder / "vocab.json").read_text())
    del vocabularies["eng"]["'"]
    (folder / "vocab.json").write_text(json.dumps(vocabularies))
    with pytest.raises(ModelError, match=r"lacks adapter\.eng\.safetensors"):
        find_adapter(folder, "eng")
    (folder / "added_tokens.json").write_text(json.dumps({"[EXTRA]": len(vocabularies["eng"])}))  # its last output
    assert find_adapter(folder, "eng") is None


def test_a_path_is_no_language(shared: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shared, tmp_path / "mms"))
    vocabularies = json.loads((folder / "vocab.json").read_text())
    vocabularies["../kor"] = vocabularies["kor"]
    (folder / "vocab.json").write_text(json.dumps(vocabularies))
    with pytest.raises(ModelError, match=r"no language '\.\./kor'"):
        chosen_language(folder, "../kor")


@pytest.mark.parametrize("shape", [[], [0, 32], [2**40, 0], [2**40]])
def test_an_adapter_whose_head_has_no_weights_is_damaged(shared: Path, tmp_path: Path, shape: list[int]) -> None:
    folder = Path(shutil.copytree(shared, tmp_path / "mms"))
    n_bytes = 0 if 0 in shape else 4
    head = {"lm_head.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, n_bytes]}}
    header = json.dumps(head).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(n_bytes)
    (folder / "adapter.kor.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"adapter\.kor\.safetensors is damaged, or not the adapter of a language"):
        CtcCheckpoint.read(folder, language="kor")


def test_a_language_is_found_by_its_exact_code_before_another_case() -> None:
    languages = Languages(("KOR", "kor", "eng"), None)
    assert [languages.find(given) for given in ("kor", "KOR", "Eng")] == ["kor", "KOR", "eng"]


def test_a_model_with_one_language_names_it() -> None:
    with pytest.raises(LanguageError, match=r"^the model has only the language 'kor', not 'eng'$"):
        Languages(("kor",), "kor").find("eng")
