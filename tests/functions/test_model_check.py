"""thano_check: one row for any folder or name, whatever is wrong with it; and UPLOAD, which asks it first."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import thano_duckdb
from tests.checkpoint_styles import write_style
from tests.conftest import REPOSITORY
from tests.training.encoders import write_encoder
from thano_duckdb import ThanoError
from thano_duckdb.functions.model_check import CHECK


def check(con: thano_duckdb.Connection, model: Path | str) -> dict[str, Any]:
    found = con.sql(f"FROM thano_check('{model}')")
    (row,) = found.fetchall()
    return dict(zip(found.columns, row, strict=True))


def test_the_documentation_names_every_column() -> None:
    page = REPOSITORY / "docs" / "reference" / "models.md"
    _, _, section = page.read_text(encoding="utf-8").partition("## Checking a model")
    table = section.partition("\n## ")[0]
    assert [field.name for field in CHECK if f"`{field.name}`" not in table] == []


def test_a_usable_checkpoint_is_described(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = write_style("community, [PAD] last", tmp_path / "model")
    (folder / "README.md").write_text("---\nlanguage: de\nlicense: cc-by-nc-4.0\n---\nlicense: none\n")
    row = check(con, folder)
    assert row == {
        "model": str(folder),
        "predict": True,
        "build": True,
        "problem": None,
        "architecture": "wav2vec2",
        "layers": 2,
        "hidden_size": 32,
        "parameters": 27_342,
        "bytes": (folder / "model.safetensors").stat().st_size,
        "weights": "safetensors",
        "precision": "float32",
        "sample_rate": 16_000,
        "outputs": 30,
        "vocabulary": 28,
        "without_output": [],
        "blank": "[PAD]",
        "blank_id": 29,
        "languages": None,
        "language_model": None,
        "license": "cc-by-nc-4.0",
        "path": str(folder),
    }


@pytest.mark.parametrize(
    ("style", "facts"),
    [
        ("MMS", {"languages": ["eng", "kor"]}),
        ("float16 shards", {"precision": "float16", "parameters": 27_248}),
        ("HuBERT with batch norm", {"precision": "float32", "architecture": "hubert"}),
        ("pickled weights", {"weights": "pickle", "parameters": None}),
        ("XLSR-53 with a language model", {"language_model": "language_model/2gram.arpa"}),
        ("SSL HuBERT", {"outputs": None, "vocabulary": None, "blank": None, "predict": False, "build": True}),
        (
            "wav2vec2-BERT",
            {"predict": True, "build": False, "architecture": "wav2vec2-bert", "layers": 2, "sample_rate": 16_000}
            | {"outputs": 32, "vocabulary": 28, "blank": "<pad>", "blank_id": 0, "without_output": []},
        ),
        (
            "Parakeet-CTC",
            {"predict": True, "build": False, "architecture": "parakeet_ctc", "layers": 2, "hidden_size": 32}
            | {"outputs": 35, "vocabulary": 33, "blank": "<pad>", "blank_id": 34, "without_output": []},
        ),
        ("phoneme tokenizer", {"predict": True, "build": False, "outputs": 46, "vocabulary": 42, "blank": "<pad>"}),
    ],
)
def test_what_the_files_say_is_in_the_row(
    con: thano_duckdb.Connection, tmp_path: Path, style: str, facts: dict[str, Any]
) -> None:
    row = check(con, write_style(style, tmp_path))
    assert {name: row[name] for name in facts} == facts


def test_a_model_of_many_languages_without_a_default_can_be_used(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = write_style("MMS", tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["target_lang"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    row = check(con, folder)
    assert (row["predict"], row["build"], row["problem"]) == (True, True, None)
    assert row["languages"] == ["eng", "kor"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json", "README.md", "pytorch_model.bin"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(con: thano_duckdb.Connection, tmp_path: Path, name: str) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    is_needed = name not in ("README.md", "pytorch_model.bin")
    assert check(con, folder)["predict"] is not is_needed


def test_weights_of_another_shape_than_described_are_named(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 40}))
    row = check(con, folder)
    assert row["problem"].endswith("lm_head.bias of shape [32], and its config.json describes [40]")
    with pytest.raises(ThanoError, match=r"lm_head.bias of shape \[32\]"):
        con.sql(f"PREDICT USING '{folder}' AS SELECT 'a.wav' AS audio_path").fetchall()


def test_letters_without_an_output_are_listed(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"Ä": 32, "Ö": 33}))
    row = check(con, folder)
    assert (row["outputs"], row["without_output"]) == (32, ["Ä", "Ö"])


def test_the_weights_are_not_read(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path)
    assert check(con, folder)["predict"]  # torch is imported now
    config = json.loads((folder / "config.json").read_text()) | {"intermediate_size": 1_000_000}
    (folder / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        network = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**config))
    header: dict[str, Any] = {}
    n_bytes = 0
    for name, tensor in network.state_dict().items():
        end = n_bytes + 2 * tensor.numel()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [n_bytes, end]}
        n_bytes = end
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + n_bytes)  # zeros that take no space on the disk
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = check(con, folder)
    assert (row["predict"], row["build"]) == (True, True)
    assert row["bytes"] > 250e6  # twice as much once it is loaded
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) * 1024 < 100e6


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.json", "{", "config.json cannot be read as JSON"),
        ("config.json", "[]", "holds no JSON object"),
        ("config.json", None, "it has no config.json"),
        ("config.json", '{"model_type": ["a"]}', "which is not supported"),
        ("vocab.json", "{", "vocab.json cannot be read as JSON"),
        ("vocab.json", "[1]", "is not a JSON object"),
        ("vocab.json", '{"A": "x"}', "is damaged"),
        ("tokenizer_config.json", '{"pad_token": "none"}', "which CTC needs as its blank"),
        ("preprocessor_config.json", '{"sampling_rate": 8000}', "was trained on audio at 8000 Hz"),
        ("preprocessor_config.json", "[]", "is not a JSON object"),
        ("preprocessor_config.json", None, "has no preprocessor_config.json"),
        ("model.safetensors", "cut short", "is damaged or was cut short"),
        ("model.safetensors", None, "holds no weights"),
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "`git lfs pull`"),
    ],
)
def test_a_broken_folder_is_a_row_with_the_reason(
    con: thano_duckdb.Connection, tmp_path: Path, file: str, content: str | None, problem: str
) -> None:
    folder = write_style("wav2vec2-base-960h", tmp_path / "model")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    row = check(con, folder)
    assert (row["predict"], row["build"]) == (False, False)
    assert problem in row["problem"]
    assert "\n" not in row["problem"]
    with pytest.raises(ThanoError) as refusal:
        con.execute(f"UPLOAD MODEL never FROM '{folder}'")
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("family", "broken", "problem"),
    [
        ("Wav2Vec2", "no preprocessor_config.json", "has no preprocessor_config.json"),
        ("Wav2Vec2", "add_adapter", "add_adapter"),
        ("Wav2Vec2Bert", "", "BUILD cannot train"),
    ],
)
def test_an_encoder_that_build_cannot_use_does_not_advise_build(
    con: thano_duckdb.Connection, tmp_path: Path, family: str, broken: str, problem: str
) -> None:
    folder = tmp_path / "encoder"
    if family == "Wav2Vec2":
        write_encoder(folder)
    else:
        config = transformers.Wav2Vec2BertConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        )
        transformers.Wav2Vec2BertModel(config).save_pretrained(folder)
        transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)
    if broken == "add_adapter":
        settings = json.loads((folder / "config.json").read_text()) | {"add_adapter": True}
        (folder / "config.json").write_text(json.dumps(settings))
    elif broken:
        (folder / "preprocessor_config.json").unlink()
    row = check(con, folder)
    assert (row["predict"], row["build"]) == (False, False)
    assert problem in row["problem"]
    with pytest.raises(ThanoError) as refusal:
        con.execute(f"UPLOAD MODEL never FROM '{folder}'")
    assert row["problem"] in str(refusal.value)


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "hf://no/such@1", "hf://", "", "nobody@7", "openai/whisper"])
def test_a_name_that_means_no_model_is_a_row_too(con: thano_duckdb.Connection, no_hub: Path, name: str) -> None:
    row = check(con, name)
    assert (row["model"], row["predict"], row["build"], row["path"]) == (name, False, False, None)
    assert len(row["problem"]) > 20


def test_a_file_is_no_model(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("")
    assert "is a file, not a folder" in check(con, tmp_path / "model.pt")["problem"]


def test_registered_models_are_named_with_their_version(tmp_path: Path) -> None:
    folder = write_style("SSL XLS-R", tmp_path / "model")
    with thano_duckdb.connect(model_home=tmp_path / "home") as con:
        con.execute(f"UPLOAD MODEL encoder FROM '{folder}'")
        row = check(con, "encoder")
        assert (row["model"], row["predict"], row["build"]) == ("encoder@1", False, True)
        assert Path(row["path"]) == tmp_path / "home" / "encoder" / "1"
        query = "SELECT model, predict FROM (SELECT name FROM (LIST MODEL)) AS m, LATERAL thano_check(m.name)"
        assert con.sql(query).fetchall() == [("encoder@1", False)]


@pytest.mark.parametrize(
    "style", ["Whisper", "add_adapter", "a weight is missing", "BERT vocabulary", "pickled weights"]
)
def test_upload_refuses_what_could_never_work_before_it_copies(tmp_path: Path, style: str) -> None:
    folder = write_style(style, tmp_path / "model")
    with thano_duckdb.connect(model_home=tmp_path / "home") as con:
        problem = check(con, folder)["problem"]
        with pytest.raises(ThanoError) as refusal:
            con.execute(f"UPLOAD MODEL never FROM '{folder}'")
    assert str(refusal.value).splitlines()[0] == problem
    assert not (tmp_path / "home").exists()
