"""The styles of CTC checkpoints that are in use, each as a folder of random weights that is written in milliseconds.

A style is what sets the files of a family of published checkpoints apart: the network, the alphabet, the tokenizer, the
format of the weights. `write_style(name, folder)` writes one, the same at every call; `STYLES` lists all of them.
"""

from __future__ import annotations

import json
import string
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.speech.log_mel_models import write_log_mel_model
from thano_duckdb.speech.libraries import quiet_transformers

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
ENGLISH = (*SPECIAL, "|", *string.ascii_uppercase, "'")

NETWORK: dict[str, Any] = {
    "conv_dim": [16] * 4,
    "conv_kernel": [10, 8, 4, 4],
    "conv_stride": [5, 4, 4, 4],
    "num_feat_extract_layers": 4,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.0,
}
LAYER_NORM: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
DATA2VEC: dict[str, Any] = {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 9}


@dataclass(frozen=True)
class Style:
    """What sets a kind of checkpoint apart from `wav2vec2-base-960h`.

    Attributes:
        network: transformers' name of the architecture: `Wav2Vec2` stands for `Wav2Vec2Config` and `Wav2Vec2ForCTC`.
        config: entries of its configuration.
        tokens: the alphabet, in the order of the outputs; None for a checkpoint without one.
        tokenizer: entries of `tokenizer_config.json`; None for a checkpoint without the file.
        head: what follows `network` in the name of the class.
        extractor: entries of `preprocessor_config.json`.
        n_outputs: of the network; None for one for each token.
        text: to train on; None for words of its letters.
        rewrite: changes the finished folder.
    """

    network: str = "Wav2Vec2"
    config: dict[str, Any] = field(default_factory=dict)
    tokens: Sequence[str] | None = ENGLISH
    tokenizer: dict[str, Any] | None = field(default_factory=dict)
    head: str = "ForCTC"
    extractor: dict[str, Any] = field(default_factory=dict)
    n_outputs: int | None = None
    text: str | None = None
    rewrite: Callable[[Path], None] | None = None

    @property
    def words(self) -> list[str]:
        """Words to train on: of two letters of the alphabet each, or of English where there is none."""
        if self.text is not None:
            return self.text.split()
        tokenizer = self.tokenizer or {}
        unwritten = {*SPECIAL, "[PAD]", "[UNK]", tokenizer.get("word_delimiter_token", "|")}
        letters = [token for token in self.tokens or ENGLISH if token not in unwritten][:40]
        return [first + second for first, second in zip(letters[::2], letters[1::2], strict=False)]


def write_style(name: str, folder: Path) -> Path:
    """Write the checkpoint of a style into `folder`, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    style = STYLES[name]
    if style.tokens is not None:
        _write_json(folder / "vocab.json", {token: index for index, token in enumerate(style.tokens)})
        if style.tokenizer is not None:
            _write_json(
                folder / "tokenizer_config.json", {"tokenizer_class": "Wav2Vec2CTCTokenizer", **style.tokenizer}
            )
    _write_json(
        folder / "preprocessor_config.json",
        {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": True, "sampling_rate": 16_000}
        | style.extractor,
    )
    _write_network(style, folder, seed=zlib.crc32(name.encode()))
    if style.rewrite is not None:
        style.rewrite(folder)
    return folder


def _write_network(style: Style, folder: Path, seed: int) -> None:
    tokens = style.tokens or SPECIAL
    outputs = {"vocab_size": style.n_outputs or len(tokens), "pad_token_id": _index(tokens, "<pad>", "[PAD]")}
    config_class: Any = getattr(transformers, f"{style.network}Config")
    network_class: Any = getattr(transformers, f"{style.network}{style.head}")
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(seed)
        network = network_class(config_class(**{**NETWORK, **outputs, **style.config}))
        for parameter in network.parameters():  # away from the regular initial values, as after training
            parameter.data += 0.1 * parameter.data.std().nan_to_num(1).clamp_min(0.1) * torch.randn_like(parameter)
        for buffer in network.buffers():
            if buffer.dtype.is_floating_point:  # a batch normalisation that shifts
                buffer.data += 0.3 * torch.rand_like(buffer)
        if hasattr(network, "lm_head"):
            network.lm_head.weight.data *= 20  # another label in every few frames
            for token in ("<s>", "</s>", "<unk>", "[UNK]"):
                if token in tokens:  # a trained model never writes them either
                    network.lm_head.bias.data[tokens.index(token)] = -1e4
        network.save_pretrained(folder)


def _index(tokens: Sequence[str], *names: str) -> int:
    return next((tokens.index(name) for name in names if name in tokens), 0)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def _change_json(path: Path, **entries: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    _write_json(path, content | entries)


# What is different in the files of a finished folder


def _add_language_model(folder: Path) -> None:
    """What `Wav2Vec2ProcessorWithLM` saves: pyctcdecode's alphabet, and the n-grams in a folder."""
    labels = ["" if token == "<pad>" else " " if token == "|" else token for token in ENGLISH]
    _write_json(folder / "alphabet.json", {"labels": labels, "is_bpe": False})
    inside = folder / "language_model"
    inside.mkdir()
    words = ("AB", "CD", "EF", "GH")
    unigrams = "".join(f"-1.0\t{word}\t-0.3\n" for word in ("<unk>", "<s>", "</s>", *words))
    (inside / "2gram.arpa").write_text(
        f"\\data\\\nngram 1={len(words) + 3}\nngram 2=1\n\n\\1-grams:\n{unigrams}\n\\2-grams:\n-0.1\tAB CD\n\n\\end\\\n"
    )
    (inside / "unigrams.txt").write_text("\n".join(words) + "\n")
    _write_json(inside / "attrs.json", {"alpha": 0.5, "beta": 1.5, "unk_score_offset": -10.0, "score_boundary": True})
    for name in ("tokenizer_config.json", "preprocessor_config.json"):
        _change_json(folder / name, processor_class="Wav2Vec2ProcessorWithLM")


def _move_specials_to_added_tokens(folder: Path) -> None:
    """As `tokenizer.save_pretrained` of transformers 4 did with tokens that were added after the vocabulary."""
    added = {"<s>": len(LOWER_CASE) - 2, "</s>": len(LOWER_CASE) - 1}
    _write_json(folder / "vocab.json", {token: i for i, token in enumerate(LOWER_CASE) if token not in added})
    _write_json(folder / "added_tokens.json", added)


def _move_specials_to_the_decoder(folder: Path) -> None:
    """As newer versions do: `added_tokens_decoder` in `tokenizer_config.json` holds all of them."""
    _move_specials_to_added_tokens(folder)
    (folder / "added_tokens.json").unlink()
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = {
        str(index): {"content": token, "special": token in ("<s>", "</s>"), **plain}
        for index, token in enumerate(LOWER_CASE)
        if token in ("[PAD]", "[UNK]", "<s>", "</s>")
    }
    _change_json(folder / "tokenizer_config.json", added_tokens_decoder=added)


def _save_as(dtype: torch.dtype, max_shard_size: str = "5GB") -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        with quiet_transformers():
            network = transformers.Wav2Vec2ForCTC.from_pretrained(folder, dtype=dtype)
            (folder / "model.safetensors").unlink()
            network.save_pretrained(folder, max_shard_size=max_shard_size)

    return rewrite


def _use_old_names(folder: Path) -> None:
    """The names of the weight norm before torch 2.1."""
    path = folder / "model.safetensors"
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in load_file(path).items()
    }
    assert any(name.endswith("weight_g") for name in weights)
    save_file(weights, path, metadata={"format": "pt"})


def _pickle_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _merge_settings(folder: Path) -> None:
    """`processor_config.json` alone, as transformers 5 saves a processor."""
    extractor = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    (folder / "preprocessor_config.json").unlink()
    settings = {"processor_class": "Wav2Vec2Processor", "feature_extractor": extractor}
    _write_json(folder / "processor_config.json", settings)


MMS_ENGLISH = (*SPECIAL, "|", *string.ascii_lowercase, "'")
MMS_KOREAN = (*SPECIAL, "|", *(chr(code) for code in range(0xAC00, 0xAC00 + 588 * 19, 588)))


def _add_languages(target: str) -> Callable[[Path], None]:
    """One vocabulary and one adapter per language, as in MMS; the weights of the folder are those of English."""

    def rewrite(folder: Path) -> None:
        vocabularies = {"eng": MMS_ENGLISH, "kor": MMS_KOREAN}
        _write_json(
            folder / "vocab.json",
            {language: {token: i for i, token in enumerate(tokens)} for language, tokens in vocabularies.items()},
        )
        _change_json(folder / "tokenizer_config.json", target_lang=target)
        weights = load_file(folder / "model.safetensors")
        adapter = {
            name: tensor for name, tensor in weights.items() if "adapter_layer" in name or name.startswith("lm_head")
        }
        save_file(adapter, folder / "adapter.eng.safetensors", metadata={"format": "pt"})
        generator = torch.Generator().manual_seed(5)
        korean = {name: torch.randn(tensor.shape, generator=generator) * 0.1 for name, tensor in adapter.items()}
        korean["lm_head.weight"] = torch.randn(len(MMS_KOREAN), 32, generator=generator)
        korean["lm_head.bias"] = torch.zeros(len(MMS_KOREAN))
        korean["lm_head.bias"][1:4] = -1e4
        save_file(korean, folder / "adapter.kor.safetensors", metadata={"format": "pt"})

    return rewrite


def _own_vocabulary(*tokens: str) -> Callable[[Path], None]:
    """A vocabulary that a user wrote beside an encoder that has none."""

    def rewrite(folder: Path) -> None:
        _write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
        _write_json(folder / "tokenizer_config.json", {"tokenizer_class": "Wav2Vec2CTCTokenizer"})

    return rewrite


def _another_blank(folder: Path) -> None:
    """`pad_token_id` in config.json is not the tokenizer's."""
    _change_json(folder / "config.json", pad_token_id=0)


def _make_subwords(folder: Path) -> None:
    _write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})


def _write_log_mel(name: str) -> Callable[[Path], None]:
    """Another checkpoint instead, whose network reads log-mel features."""

    def rewrite(folder: Path) -> None:
        for path in folder.iterdir():
            path.unlink()
        with torch.random.fork_rng():
            write_log_mel_model(folder, name)

    return rewrite


# Alphabets


def alphabet(letters: Sequence[str], delimiter: str | None = "|") -> tuple[str, ...]:
    """The special tokens, the delimiter if there is one, and letters."""
    return (*SPECIAL, *([delimiter] if delimiter else []), *letters)


def _range(first: int, n: int, step: int = 1) -> list[str]:
    return [chr(first + step * index) for index in range(n)]


LOWER_CASE = ("|", *string.ascii_lowercase, "'", "[UNK]", "[PAD]", "<s>", "</s>")
COMMUNITY = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "<s>", "eos_token": "</s>"}
KOREAN = alphabet(_range(0xAC00, 1_200, 9))
JAMO = alphabet([*_range(0x1100, 19), *_range(0x1161, 21), *_range(0x11A8, 27)])
COMPATIBILITY_JAMO = alphabet(_range(0x3131, 51))
CHINESE = alphabet(_range(0x4E00, 3_480, 5))
JAPANESE = alphabet([*_range(0x3041, 83), *_range(0x30A1, 83)])
HINDI = alphabet([*_range(0x0905, 50)])
ARABIC = alphabet(_range(0x0621, 26))
VIETNAMESE = alphabet("aàáảãạăằắẳẵặâầấẩẫậbcdđeèéẻẽẹêềếểễệghiìíỉĩịklmnoòóỏõọôồốổỗộơờớởỡợpqrstuùúủũụưừứửữựvxyỳýỷỹỵ")
FRENCH_LETTERS = [*string.ascii_lowercase, *"àâæçéèêëîïôœùûüÿ'-"]
DIGRAPHS = alphabet([*string.ascii_lowercase, "ch", "sh", "ng'", "ny"])
IPA = alphabet([*"abdefɡhijklmnoprstuvwxzæðŋɔəɛɪʃʊʌʒθ", "tʃ", "dʒ", "aɪ", "oʊ", "ɜː", "uː"])
SUBWORDS = ("[PAD]", "[UNK]", "the", "##s", "##ing", *string.ascii_lowercase)

SSL: dict[str, Any] = {"tokens": None, "head": "Model"}
MMS: dict[str, Any] = {"config": {**LAYER_NORM, "adapter_attn_dim": 8}, "tokens": MMS_ENGLISH}

STYLES: dict[str, Style] = {
    "wav2vec2-base-960h": Style(),
    "wav2vec2-large-960h-lv60-self": Style(config=LAYER_NORM),
    "wav2vec2-large-robust": Style(config={**LAYER_NORM, "final_dropout": 0.0, "mask_time_prob": 0.075}),
    "wav2vec2 with biased convolutions": Style(config={"conv_bias": True}),
    "wav2vec2 without normalization": Style(extractor={"do_normalize": False}),
    "XLSR-53 with a language model": Style(config=LAYER_NORM, rewrite=_add_language_model),
    "community, [PAD] last": Style(config=LAYER_NORM, tokens=LOWER_CASE[:-2], tokenizer=COMMUNITY),
    "community, added_tokens.json": Style(
        tokens=LOWER_CASE, tokenizer=COMMUNITY, rewrite=_move_specials_to_added_tokens
    ),
    "community, added_tokens_decoder": Style(
        tokens=LOWER_CASE, tokenizer=COMMUNITY, rewrite=_move_specials_to_the_decoder
    ),
    "Korean syllables": Style(tokens=KOREAN),
    "Korean jamo": Style(tokens=JAMO),
    "Korean compatibility jamo": Style(tokens=COMPATIBILITY_JAMO, text="안녕 하세요 반갑"),
    "Chinese": Style(tokens=CHINESE),
    "German": Style(tokens=alphabet([*string.ascii_lowercase, *"äöüß"])),
    "French": Style(tokens=alphabet(FRENCH_LETTERS)),
    "French, a space as delimiter": Style(
        tokens=alphabet(FRENCH_LETTERS, " "), tokenizer={"word_delimiter_token": " "}
    ),
    "Turkish": Style(tokens=alphabet("abcçdefgğhıijklmnoöprsştuüvyz")),
    "Japanese": Style(tokens=JAPANESE),
    "Hindi": Style(tokens=HINDI),
    "Arabic": Style(tokens=ARABIC),
    "Vietnamese": Style(tokens=VIETNAMESE),
    "digraphs": Style(tokens=DIGRAPHS),
    "IPA": Style(tokens=IPA),
    "BERT vocabulary": Style(tokens=SUBWORDS, tokenizer={"pad_token": "[PAD]", "unk_token": "[UNK]"}),
    "BERT tokenizer": Style(tokens=SUBWORDS, rewrite=_make_subwords),
    "phoneme tokenizer": Style(
        tokens=IPA, tokenizer={"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "phonemizer_lang": "en-us"}
    ),
    "add_adapter": Style(config={"add_adapter": True, "output_hidden_size": 32}),
    "MMS": Style(**MMS, rewrite=_add_languages("eng")),
    "MMS, target_lang=kor": Style(**MMS, text="가나 다라 마바", rewrite=_add_languages("kor")),
    "HuBERT large": Style("Hubert", LAYER_NORM),
    "HuBERT base": Style("Hubert"),
    "HuBERT with batch norm": Style("Hubert", {"conv_pos_batch_norm": True}),
    "HuBERT without projection norm": Style("Hubert", {"feat_proj_layer_norm": False}),
    "WavLM base+": Style("WavLM"),
    "WavLM large": Style("WavLM", LAYER_NORM),
    "Data2VecAudio": Style("Data2VecAudio", DATA2VEC),
    "UniSpeech": Style("UniSpeech", {"num_ctc_classes": len(ENGLISH)}),
    "UniSpeechSat": Style("UniSpeechSat", {"num_ctc_classes": len(ENGLISH)}),
    "SEW": Style("SEW", {"squeeze_factor": 2}),
    "SEW-D": Style("SEWD", {"squeeze_factor": 2, "feat_proj_dropout": 0.0}),
    "Conformer, rotary": Style("Wav2Vec2Conformer", {**LAYER_NORM, "position_embeddings_type": "rotary"}),
    "Conformer, relative": Style("Wav2Vec2Conformer", {**LAYER_NORM, "position_embeddings_type": "relative"}),
    "wav2vec2-BERT": Style(rewrite=_write_log_mel("wav2vec2-bert-adapter")),
    "Parakeet-CTC": Style(rewrite=_write_log_mel("parakeet")),
    "Whisper": Style(
        "Whisper",
        {
            "d_model": 32,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "decoder_start_token_id": 1,
        },
        head="ForConditionalGeneration",
        tokenizer={"tokenizer_class": "WhisperTokenizer"},
        extractor={"feature_extractor_type": "WhisperFeatureExtractor"},
    ),
    "float16 shards": Style(rewrite=_save_as(torch.float16, "40KB")),
    "bfloat16": Style(rewrite=_save_as(torch.bfloat16)),
    "weight_g and weight_v": Style(rewrite=_use_old_names),
    "processor_config.json only": Style(rewrite=_merge_settings),
    "no tokenizer_config.json": Style(tokenizer=None),
    "pickled weights": Style(rewrite=_pickle_weights),
    "a weight is missing": Style(rewrite=_drop_a_weight),
    "another pad_token_id": Style(tokens=LOWER_CASE[:-2], tokenizer=COMMUNITY, rewrite=_another_blank),
    "SSL wav2vec2-base": Style(**SSL),
    "SSL XLS-R": Style(config=LAYER_NORM, **SSL),
    "SSL HuBERT": Style("Hubert", **SSL),
    "SSL WavLM": Style("WavLM", **SSL),
    "SSL with its own vocabulary": Style(**SSL, n_outputs=32, rewrite=_own_vocabulary(*ENGLISH)),
    "SSL with a larger vocabulary": Style(**SSL, n_outputs=32, rewrite=_own_vocabulary(*ENGLISH, *"ÄÖÜß")),
}
