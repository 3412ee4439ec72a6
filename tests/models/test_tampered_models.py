"""A model folder that was tampered with is refused by a ModelError, at once and in little memory."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.kit import write_model
from thano_duckdb.errors import ModelError
from thano_duckdb.models.checkpoint import MAX_JSON_BYTES, check_checkpoint
from thano_duckdb.speech.recognizer.ctc_checkpoint import CtcCheckpoint, fingerprint

N_MUTATIONS = 300
DEEP = "[" * 100_000
NESTED = "[" * 500 + "]" * 500


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "model")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    (folder / "added_tokens.json").write_text(json.dumps({"<new>": 31}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": {"content": "<pad>"}}))
    return folder


def load(folder: Path) -> None:
    """Everything that is done to a model before the first clip."""
    check_checkpoint(folder)
    checkpoint = CtcCheckpoint.read(folder)
    fingerprint(folder)
    checkpoint.load_network()


def changed(name: str, **values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | values))

    return change


def written(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text)

    return write


def write_zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**8)


def replaced(name: str, by: Callable[[Path], None]) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        by(folder / name)

    return replace


TAMPERED: dict[str, Callable[[Path], None]] = {
    "an index that is a list": changed("model.safetensors.index.json", weight_map=[1, 2]),
    "an index of numbers": changed("model.safetensors.index.json", weight_map={"a": 1}),
    "an index of another folder": changed("model.safetensors.index.json", weight_map={"a": "../secret"}),
    "an index that is no object": written("model.safetensors.index.json", "[]"),
    "config nested deeply": written("config.json", DEEP),
    "vocabulary nested deeply": written("vocab.json", DEEP),
    "config of 100 MB": replaced("config.json", write_zeros),
    "config with NaN": written("config.json", '{"model_type": NaN}'),
    "an integer of many digits": written("config.json", '{"vocab_size": ' + "9" * 10_000 + "}"),
    "ids that are texts": changed("vocab.json", A="1"),
    "ids that are fractions": changed("vocab.json", A=1.5),
    "ids below zero": changed("vocab.json", A=-1),
    "ids that are huge": changed("vocab.json", A=10**30),
    "ids that are true": changed("vocab.json", A=True),
    "added ids that are texts": changed("tokenizer_config.json", added_tokens_decoder={"x": {"content": "<x>"}}),
    "added tokens that are a list": changed("tokenizer_config.json", added_tokens_decoder=[1]),
    "a tokenizer class that is a list": changed("tokenizer_config.json", tokenizer_class=["x"]),
    "a lone surrogate": changed("vocab.json", **{"\ud800": 3}),
    "a million layers": changed("config.json", num_hidden_layers=1_000_000),
    "a thousand wide layers": changed("config.json", num_hidden_layers=1_000, hidden_size=16_384),
    "a vocabulary of 10^12": changed("config.json", vocab_size=10**12),
    "layers that are a text": changed("config.json", num_hidden_layers="2"),
    "config nested 500 times": written("config.json", f'{{"model_type": "wav2vec2", "a": {NESTED}}}'),
    "vocabulary nested 500 times": written("vocab.json", f'{{"A": {NESTED}}}'),
    "no heads": changed("config.json", num_attention_heads=0),
    "three heads for 16 numbers": changed("config.json", num_attention_heads=3),
    "three groups for 16 numbers": changed("config.json", num_conv_pos_embedding_groups=3),
    "an activation that is a number": changed("config.json", hidden_act=3),
    "an activation that does not exist": changed("config.json", hidden_act="reluu"),
    "a norm that does not exist": changed("config.json", feat_extract_norm="batch"),
    "a dropout above 1": changed("config.json", hidden_dropout=7),
    "a dropout that is a text": changed("config.json", layerdrop="0"),
    "an epsilon below 0": changed("config.json", layer_norm_eps=-1.0),
    "a vocabulary of null": changed("config.json", vocab_size=None),
    "a frame for each sample": changed("config.json", conv_stride=[1, 1, 1]),
    "a frame for ten samples": changed("config.json", conv_stride=[10, 1, 1]),
    "attention of gigabytes": changed(
        "config.json", conv_stride=[10, 1, 4], hidden_size=1024, num_attention_heads=512, num_hidden_layers=1
    ),
    "wide convolutions for every sample": changed(
        "config.json", conv_dim=[4_000] * 3, conv_kernel=[3] * 3, conv_stride=[1, 1, 40]
    ),
    "quantized weights": changed("config.json", quantization_config={"quant_method": "bitsandbytes"}),
    "no kind of network": changed("config.json", model_type=None),
    "a kind of network that is a list": changed("config.json", model_type=["wav2vec2"]),
    "a switch of the audio settings that is a text": changed("preprocessor_config.json", do_normalize="false"),
    "a switch of the audio settings that is a number": changed("preprocessor_config.json", do_normalize=0),
    "a switch of the tokenizer that is a text": changed("tokenizer_config.json", do_lower_case="false"),
    "strides of zero": changed("config.json", conv_stride=[0, 0, 0]),
    "kernels that are a number": changed("config.json", conv_kernel=3),
    "more kernels than strides": changed("config.json", conv_kernel=[1, 2, 3, 4]),
    "audio settings that are a list": written("preprocessor_config.json", "[]"),
    "a rate that is a list": changed("preprocessor_config.json", sampling_rate=[16_000] * 10_000),
    "config that is a dangling link": replaced("config.json", lambda path: path.symlink_to("nowhere")),
    "vocabulary that is a link to itself": replaced("vocab.json", lambda path: path.symlink_to("vocab.json")),
    "weights that are a folder": replaced("model.safetensors", Path.mkdir),
    "weights that are a dangling link": replaced("model.safetensors", lambda path: path.symlink_to("nowhere")),
    "weights that are a pipe": replaced("model.safetensors", os.mkfifo),
    "audio settings that are a pipe": replaced("preprocessor_config.json", os.mkfifo),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_it_is_refused_at_once_in_one_sentence(model: Path, tamper: Callable[[Path], None]) -> None:
    load(model)
    tamper(model)
    started_s = time.process_time()
    with pytest.raises(ModelError) as refusal:
        load(model)
    assert time.process_time() - started_s < 1
    message = str(refusal.value)
    message.encode()
    assert str(model) in message
    assert len(message) < 600 + len(str(model))


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_attention_heads", 0), ("hidden_act", 3), ("hidden_act", "reluu"), ("hidden_dropout", 7), ("conv_bias", 2)],
)
def test_the_sentence_names_the_entry_and_its_value(model: Path, name: str, value: object) -> None:
    changed("config.json", **{name: value})(model)
    with pytest.raises(ModelError, match=rf"{name} in its config.json cannot be '{str(value)[:60]}'$"):
        load(model)


SWITCHES: dict[str, Any] = {
    "a billion labels": {"num_labels": 10**9},
    "two names for a billion labels": {"num_labels": 10**9, "id2label": {"0": "a", "1": "b"}},
    "labels that are no numbers": {"id2label": {"a": "b"}, "label2id": {"b": "a"}},
    "tuples as results": {"return_dict": False},
    "tuples, in the old spelling": {"use_return_dict": False},
    "TorchScript": {"torchscript": True},
    "all hidden states": {"output_hidden_states": True},
    "all attentions": {"output_attentions": True},
    "attention from the hub": {"attn_implementation": "kernels-community/flash-attn"},
    "slow attention": {"attn_implementation": "eager", "_attn_implementation": "eager"},
    "code of the checkpoint": {"auto_map": {"AutoConfig": "evil.C", "AutoModelForCTC": "evil.M"}},
    "another task": {"problem_type": "single_label_classification", "num_labels": 1},
    "layers in small parts": {"chunk_size_feed_forward": 1},
    "an encoder and a decoder": {"is_encoder_decoder": True, "tie_word_embeddings": True},
    "a type of numbers that does not exist": {"dtype": "float7"},
    "settings of single layers": {"per_layer_config": {"0": {"hidden_size": 10**9}}},
    "heads that are removed": {"pruned_heads": {"0": [0]}},
}


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_entries_that_do_not_describe_the_network_change_nothing(model: Path, switches: dict[str, Any]) -> None:
    clip = torch.sin(torch.arange(8_000) / 10)[None]
    expected = CtcCheckpoint.read(model).load_network().eval()(clip)
    changed("config.json", **switches)(model)
    started_s = time.process_time()
    found = CtcCheckpoint.read(model).load_network().eval()(clip)
    assert time.process_time() - started_s < 2
    assert torch.equal(found.logits, expected.logits)
    assert found.keys() == {"logits"}
    for network in (CtcCheckpoint.read(model).load_network(), CtcCheckpoint.read(model).new_network()):
        assert network.config.return_dict
        assert network.config._attn_implementation == "sdpa"


def test_a_dangling_link_beside_the_model_does_no_harm(model: Path) -> None:
    (model / "notes").symlink_to("nowhere")
    load(model)


def test_the_largest_file_is_far_above_what_vocabularies_have() -> None:
    assert MAX_JSON_BYTES > 20_000_000


VALUES: list[Any] = [
    None, True, -1, 0, 1, 2**31, 10**30, 1.5, 1e308, float("nan"), "", "x", "\ud800", "a" * 5_000, [], [1], ["x"], {},
    {"a": 1}, {"content": [1]}, 1_000_000, [0] * 40, "../x",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
def test_whatever_is_written_into_its_json_files(model: Path) -> None:
    files = sorted(model.glob("*.json"))
    for seed in range(N_MUTATIONS):
        chance = random.Random(seed)
        file = chance.choice(files)
        original = file.read_bytes()
        file.write_bytes(mutated(chance, original))
        started_s = time.process_time()
        try:
            load(model)
        except ModelError as refusal:
            str(refusal).encode()
        except BaseException as error:
            raise AssertionError(f"seed {seed}, {file.name}") from error
        finally:
            file.write_bytes(original)
        assert time.process_time() - started_s < 1, f"seed {seed}, {file.name}"


def mutated(chance: random.Random, original: bytes) -> bytes:
    if chance.random() < 0.1:
        damaged = bytearray(original)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        return bytes(damaged)
    content = json.loads(original)
    for _ in range(chance.randint(1, 3)):
        owner, key = chance.choice(list(entries(content)) or [([0], 0)])
        if chance.random() < 0.85:
            owner[key] = json.loads(json.dumps(chance.choice(VALUES)))
        else:
            del owner[key]
    return json.dumps(content).encode()


def entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or object within a value, with each of its indices or keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield value, key
        yield from entries(item)
