"""A pretrained encoder, which has no vocabulary, becomes a model of a language by transcribed clips alone."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCTC, AutoProcessor

from tests.speech.oracles import transcribe
from tests.training.encoders import TEXTS, write_encoder, write_spoken
from tests.training.kit import NotingMonitor, run_build
from thano_duckdb.errors import Cancelled, ModelError, ThanoError
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.speech.loading import load_engine
from thano_duckdb.training.network import load_network
from thano_duckdb.training.new_alphabet import make_alphabet
from thano_duckdb.training.schedule import HEAD_FACTOR
from thano_duckdb.training.trainer import CtcTrainer
from thano_duckdb.training.training_options import Example, TrainingOptions

ALPHABET = make_alphabet(["abc"], ["characters"])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    """A model with the alphabet a, b, c."""
    folder = tmp_path_factory.mktemp("fine-tuned")
    rows = write_spoken(folder / "clips", ["abc", "cab"])
    return run_build(folder / "home", encoder, rows, TrainingOptions(epochs=1)).entry.path


def texts_in_transformers(folder: Path, rows: list[Example]) -> list[str]:
    """What plain transformers write for each clip alone."""
    network, processor = AutoModelForCTC.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    texts = []
    for row in rows:
        samples, rate_hz = soundfile.read(str(row.audio), dtype="float32")
        inputs = processor(samples, sampling_rate=rate_hz, return_tensors="pt")
        with torch.inference_mode():
            texts.append(processor.batch_decode(network(inputs.input_values).logits.argmax(-1))[0])
    return texts


def texts_of_engine(folder: Path, rows: list[Example]) -> list[str | None]:
    transcripts = transcribe(load_engine(folder, device="cpu"), [str(row.audio) for row in rows], max_clips=3)
    return [transcript.text for transcript in transcripts if transcript]


def spoken(text: str) -> str:
    """A text in lower case and without punctuation."""
    return "".join(char for char in text.lower() if char.isalpha() or char == " ")


@pytest.mark.parametrize("language", TEXTS)
def test_eight_clips_are_learnt_by_heart_and_transformers_write_the_same(
    tmp_path: Path, encoder: Path, language: str
) -> None:
    rows = write_spoken(tmp_path / "clips", TEXTS[language])
    options = TrainingOptions(learning_rate=3e-3, batch_size=4, mask_time_prob=0)
    monitor = NotingMonitor()
    result = run_build(tmp_path / "home", encoder, rows, options, monitor=monitor)
    (sentence,) = monitor.sentences
    assert sentence.startswith("the new alphabet has ")
    assert result.entry.lineage["notes"] == [sentence]
    assert result.comparison is not None
    assert result.comparison.model.cer == 0
    texts = texts_of_engine(result.entry.path, rows)
    assert texts == [spoken(text) for text in TEXTS[language]]
    assert texts_in_transformers(result.entry.path, rows) == texts


def test_forty_clips_in_three_languages_give_one_model(tmp_path: Path, encoder: Path) -> None:
    texts = [text for _ in range(2) for of_language in TEXTS.values() for text in of_language][:40]
    rows = write_spoken(tmp_path / "clips", texts)
    options = TrainingOptions(epochs=8, learning_rate=3e-3, mask_time_prob=0, validation_split=0.2)
    entry = run_build(tmp_path / "home", encoder, rows, options).entry
    hypotheses = texts_of_engine(entry.path, rows)
    assert len({*hypotheses}) > 3
    assert texts_in_transformers(entry.path, rows) == hypotheses


def test_jamo_are_put_together_to_syllables(tmp_path: Path, encoder: Path) -> None:
    rows = write_spoken(tmp_path / "clips", TEXTS["Korean"])
    options = TrainingOptions(learning_rate=3e-3, batch_size=4, mask_time_prob=0, alphabet=["jamo"])
    result = run_build(tmp_path / "home", encoder, rows, options)
    assert result.comparison is not None
    assert result.comparison.model.cer == 0
    assert texts_of_engine(result.entry.path, rows) == list(TEXTS["Korean"])
    in_transformers = texts_in_transformers(result.entry.path, rows)
    assert [unicodedata.normalize("NFC", text) for text in in_transformers] == list(TEXTS["Korean"])


FAMILIES = ("Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio", "UniSpeech", "UniSpeechSat")
WITH_QUANTIZER = ("Wav2Vec2", "UniSpeech", "UniSpeechSat")


@pytest.mark.parametrize(
    ("family", "kind"),
    [(family, kind) for family in FAMILIES for kind in ("bare", "prefixed")]
    + [(family, "ForPreTraining") for family in WITH_QUANTIZER],
)
def test_every_family_keeps_the_weights_of_its_encoder(tmp_path: Path, family: str, kind: str) -> None:
    head = kind if kind == "ForPreTraining" else "Model"
    folder = write_encoder(tmp_path / "encoder", family, head, has_prefix=kind == "prefixed")
    pretrained = load_file(folder / "model.safetensors")
    network = load_network(folder, TrainingOptions(), ALPHABET)
    assert network.has_new_head
    prefix = f"{network.module.base_model_prefix}."
    encoder = {name: weight for name, weight in network.module.state_dict().items() if name.startswith(prefix)}
    assert len(encoder) > 30
    for name, weight in encoder.items():
        before = pretrained.get(name, pretrained.get(name.removeprefix(prefix)))
        if before is None:  # an old name of a weight norm
            assert "parametrizations" in name
        else:
            torch.testing.assert_close(weight, before, rtol=0, atol=0)
    assert network.module.lm_head.out_features == network.module.config.vocab_size == 8  # four special ones and a space
    assert network.module.config.pad_token_id == network.vocabulary.blank_id == 0


def test_an_encoder_that_lacks_a_layer_is_refused(tmp_path: Path, encoder: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "encoder"))
    weights = load_file(folder / "model.safetensors")
    cut = {name: weight for name, weight in weights.items() if "encoder.layers.1." not in name}
    save_file(cut, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"missing {len(weights) - len(cut)} of its weights .*encoder\.layers\.1\."):
        run_build(tmp_path / "home", folder, write_spoken(tmp_path / "clips", ["abc"]), TrainingOptions())


def test_an_encoder_cannot_transcribe_and_the_message_says_what_to_do(encoder: Path) -> None:
    with pytest.raises(ModelError, match=r"has no vocabulary.*pretrained encoder.*BUILD MODEL name USING it"):
        check_checkpoint(encoder)


@pytest.mark.parametrize(("base", "network"), [("encoder", "AutoModel"), ("fine_tuned", "AutoModelForCTC")])
def test_the_advice_for_pickles_gives_an_encoder_no_random_outputs(
    tmp_path: Path, base: str, network: str, request: pytest.FixtureRequest
) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(base), tmp_path / "model"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=rf"convert it: transformers\.{network}\.from_pretrained"):
        load_network(folder, TrainingOptions(), ALPHABET)


def test_a_model_whose_vocabulary_is_lost_is_no_encoder(tmp_path: Path, fine_tuned: Path) -> None:
    folder = Path(shutil.copytree(fine_tuned, tmp_path / "model"))
    (folder / "vocab.json").unlink()
    with pytest.raises(ModelError, match=r"has no vocabulary: it holds neither vocab.json nor tokenizer.json$"):
        load_network(folder, TrainingOptions(), ALPHABET)


def test_an_encoder_with_a_vocabulary_of_the_user_gets_an_output_for_each_token(tmp_path: Path, encoder: Path) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "encoder"))
    letters = [*"abcdefghijklmnopqrstuvwxyzäöüß'"]
    tokens = ["<s>", "</s>", "<unk>", "|", *letters, "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    assert json.loads((folder / "config.json").read_text()).get("vocab_size", 32) == 32
    network = load_network(folder, TrainingOptions())
    assert network.vocabulary.tokens[4:-1] == tuple(letters)
    assert network.module.lm_head.out_features == network.module.config.vocab_size == len(tokens) == 36
    monitor = NotingMonitor()
    rows = write_spoken(tmp_path / "clips", ["Öl süß"])
    entry = run_build(tmp_path / "home", folder, rows, TrainingOptions(epochs=1), monitor=monitor).entry
    assert not [sentence for sentence in monitor.sentences if "dropped" in sentence]
    config = json.loads((entry.path / "config.json").read_text())
    assert (config["vocab_size"], config["pad_token_id"]) == (36, 35)  # the encoder's own pad_token_id is 0
    assert texts_in_transformers(entry.path, rows) == texts_of_engine(entry.path, rows)


def test_letters_without_an_output_are_named(tmp_path: Path, fine_tuned: Path) -> None:
    folder = Path(shutil.copytree(fine_tuned, tmp_path / "model"))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps(vocabulary | {"d": 8, "e": 9, "<extra>": 10}))
    monitor = NotingMonitor()
    rows = write_spoken(tmp_path / "clips", ["abc"])
    run_build(tmp_path / "home", folder, rows, TrainingOptions(epochs=1), monitor=monitor)
    assert monitor.sentences[0] == (
        "the new model cannot write 'd', 'e': the vocabulary of its base has 2 tokens more than its 8 outputs. OPTIONS "
        "(new_alphabet=True) gives it an alphabet made from the texts"
    )


@pytest.mark.parametrize("text", ["xyz", "zwölf Boxkämpfer"])
def test_a_fine_tuned_model_can_get_a_new_alphabet(tmp_path: Path, fine_tuned: Path, text: str) -> None:
    folder = Path(shutil.copytree(fine_tuned, tmp_path / "model"))
    (folder / "added_tokens.json").write_text(json.dumps({"<old>": 3}))
    (folder / "language_model").mkdir()
    (folder / "language_model" / "old.arpa").write_text("of another language")
    alphabet = make_alphabet([text], ["characters"])
    trained = load_file(folder / "model.safetensors")
    network = load_network(folder, TrainingOptions(), alphabet)
    head = network.module.lm_head
    assert head.out_features == 5 + len(alphabet.tokens)
    if text == "xyz":  # as many outputs as before, for other letters
        assert head.weight.shape == trained["lm_head.weight"].shape
        assert not torch.equal(head.weight, trained["lm_head.weight"])
    rows = write_spoken(tmp_path / "clips", [text])
    entry = run_build(tmp_path / "home", folder, rows, TrainingOptions(epochs=1, new_alphabet=True)).entry
    assert set(json.loads((entry.path / "vocab.json").read_text())) >= set(text.lower()) - {" "}
    assert not (entry.path / "added_tokens.json").exists()
    assert not (entry.path / "language_model").exists()
    assert texts_in_transformers(entry.path, rows) == texts_of_engine(entry.path, rows)


def test_an_alphabet_can_be_made_from_scratch(tmp_path: Path, fine_tuned: Path) -> None:
    options = TrainingOptions(epochs=1, from_scratch=True, new_alphabet=True)
    rows = write_spoken(tmp_path / "clips", ["물 한 잔"])
    entry = run_build(tmp_path / "home", fine_tuned, rows, options).entry
    assert {"물", "한", "잔"} < set(json.loads((entry.path / "vocab.json").read_text()))
    assert len(entry.lineage["metrics"]) == 1


def test_the_head_of_an_encoder_learns_faster_and_the_training_is_longer(
    tmp_path: Path, encoder: Path, fine_tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: dict[str, float] = {}
    step = CtcTrainer.training_step

    def noting(self: CtcTrainer, *args: Any) -> torch.Tensor:
        names = {id(weight): name for name, weight in self._network.module.named_parameters()}
        for group in self.optimizer.param_groups if self.optimizer else ():
            rates.update({names[id(weight)]: group["lr"] for weight in group["params"]})
        return step(self, *args)

    monkeypatch.setattr(CtcTrainer, "training_step", noting)
    rows = write_spoken(tmp_path / "clips", ["abc", "cab"])
    result = run_build(tmp_path / "new", encoder, rows, TrainingOptions(batch_size=1))
    assert len(result.metrics) == 30
    head = {name for name in rates if name.startswith("lm_head.")}
    assert len(head) == 2
    assert not [name for name in rates if "feature_extractor" in name]
    (of_encoder,) = {rate for name, rate in rates.items() if name not in head}
    assert [rates[name] for name in head] == pytest.approx([HEAD_FACTOR * of_encoder] * 2)
    options = result.entry.lineage["options"]
    assert (options["epochs"], options["warmup_ratio"], options["head_factor"]) == (30, 0.2, HEAD_FACTOR)
    rates.clear()
    again = run_build(tmp_path / "again", fine_tuned, rows, TrainingOptions(batch_size=1))
    assert len(again.metrics) == 5
    assert len(set(rates.values())) == 1


def test_an_interrupted_build_keeps_its_alphabet(tmp_path: Path, encoder: Path) -> None:
    rows = write_spoken(tmp_path / "clips", TEXTS["Korean"])
    options = TrainingOptions(epochs=4, learning_rate=3e-3, batch_size=4)
    whole = run_build(tmp_path / "whole", encoder, rows, options).entry
    with pytest.raises(Cancelled, match="continue after epoch 2 of 4"):
        run_build(tmp_path / "home", encoder, rows, options, monitor=NotingMonitor(stop_after=2))
    monitor = NotingMonitor()
    resumed = run_build(tmp_path / "home", encoder, rows[::-1], options, monitor=monitor).entry
    assert [each.epoch for each in monitor.epochs] == [3, 4]
    assert (resumed.path / "vocab.json").read_text() == (whole.path / "vocab.json").read_text()
    weights, expected = (load_file(entry.path / "model.safetensors") for entry in (resumed, whole))
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight)


def test_a_build_whose_alphabet_has_changed_starts_again(tmp_path: Path, encoder: Path) -> None:
    rows = write_spoken(tmp_path / "clips", ["abc", "cab"])
    options = TrainingOptions(epochs=2)
    with pytest.raises(Cancelled):
        run_build(tmp_path / "home", encoder, rows, options, monitor=NotingMonitor(stop_after=1))
    monitor = NotingMonitor()
    run_build(tmp_path / "home", encoder, [*rows, Example("nowhere.wav", "d")], options, monitor=monitor)
    assert [each.epoch for each in monitor.epochs] == [1, 2]


def test_an_encoder_without_rows_or_letters_fails_before_training(tmp_path: Path, encoder: Path) -> None:
    with pytest.raises(ThanoError, match="the query returns no rows to train on"):
        run_build(tmp_path, encoder, [], TrainingOptions())
    with pytest.raises(ThanoError, match="hold no letter"):
        run_build(tmp_path, encoder, write_spoken(tmp_path / "clips", ["..."]), TrainingOptions())
