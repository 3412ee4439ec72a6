"""Reads what `config.json` says of the network, and nothing else of it.

transformers does much more with such a file than build the network: it can make a list of as many labels as
`num_labels` says, keep the attention of every layer, take code for the attention from the Hugging Face hub, or return
tuples. So only the fields that describe the architecture reach it; all other entries of the file are ignored.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError, brief
from thano_duckdb.models.checkpoint import LANGUAGE_MODEL_KEY, read_json
from thano_duckdb.speech.libraries import one_sentence, quiet_transformers

from .network_size import check_network_size

EXAMPLES = "Wav2Vec2, HuBERT, WavLM, wav2vec2-BERT or Parakeet-CTC"
LOG_MEL_MODEL_TYPES = frozenset({"wav2vec2-bert", "parakeet_ctc"})
"""Networks that read log-mel features instead of the waveform."""

_FIELD = re.compile(r"[Ff]ield '(\w+)'")
"""In transformers' error for a value of the wrong type."""


def read_network_config(folder: Path) -> Any:
    """The configuration of the network in a folder, as transformers has it.

    Raises:
        ModelError: the architecture is not supported, or a number is invalid or asks for too much; the message names
            the entry of `config.json`.
    """
    content = read_json(folder / "config.json")
    if not isinstance(content, dict):
        raise ModelError(f"{folder / 'config.json'} is not a JSON object")
    if content.get("add_adapter") and content.get("model_type") != "wav2vec2-bert":
        raise ModelError(f"{folder} reduces its frame rate with an adapter (add_adapter=true), which is not supported")
    if content.get("quantization_config"):
        raise ModelError(
            f"{folder} holds quantized weights (quantization_config in its config.json), which are not supported: use "
            "the model that it was made from"
        )
    config_class = _config_class(folder, content.get("model_type"))
    known = _architecture_fields(config_class)
    described = {name: value for name, value in content.items() if name in known}
    if "encoder_config" in known:
        described["encoder_config"] = _encoder_description(folder, config_class, content.get("encoder_config"))
    try:
        with quiet_transformers():
            config = config_class(**described)
    except Exception as error:  # transformers reports a broken configuration by many types of error
        found = _FIELD.search(str(error))
        if found and found[1] in described:
            raise ModelError(
                f"{folder} cannot be loaded: {found[1]} in its config.json cannot be {brief(repr(described[found[1]]))}"
            ) from error
        raise ModelError(f"{folder} cannot be loaded: {one_sentence(error)}") from error
    check_network_size(folder, config)
    return config


def encoder_config(config: Any) -> Any:
    """The configuration of the encoder, which is a part of that of some networks."""
    return getattr(config, "encoder_config", config)


def _encoder_description(folder: Path, config_class: Any, content: Any) -> dict[str, Any]:
    """What the file says of the encoder's architecture."""
    if not isinstance(content, dict):
        raise ModelError(f"{folder} cannot be loaded: its config.json has no encoder_config")
    known = _architecture_fields(type(config_class().encoder_config))
    return {name: value for name, value in content.items() if name in known}


def _architecture_fields(config_class: Any) -> set[str]:
    """The entries that describe networks of a kind, and the one of ours, which `save_pretrained` keeps."""
    import transformers

    shared = {field.name for field in dataclasses.fields(transformers.PreTrainedConfig)}
    return {field.name for field in dataclasses.fields(config_class)} - shared | {LANGUAGE_MODEL_KEY}


def _config_class(folder: Path, model_type: object) -> Any:
    """The configuration of a kind of network that was trained with CTC and is supported.

    Raises:
        ModelError: it is of another kind, which the message names.
    """
    import transformers

    if model_type is None:
        raise ModelError(f'{folder} cannot be loaded: its config.json lacks model_type, such as "wav2vec2"')
    config_class: Any = None
    if isinstance(model_type, str) and model_type in transformers.CONFIG_MAPPING:
        config_class = transformers.CONFIG_MAPPING[model_type]
    if config_class is not None and config_class in transformers.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING:
        raise ModelError(
            f"{folder} is a {model_type} model, which writes its text with a decoder (sequence to sequence): use a CTC "
            f"model instead, such as {EXAMPLES}"
        )
    network: Any = transformers.MODEL_FOR_CTC_MAPPING.get(config_class, None) if config_class is not None else None
    reads_waveform = network is not None and network.main_input_name == "input_values"
    has_convolutions = reads_waveform and {"conv_kernel", "conv_stride"} <= _architecture_fields(config_class)
    if not has_convolutions and (network is None or model_type not in LOG_MEL_MODEL_TYPES):
        raise ModelError(
            f"{folder} is a {brief(str(model_type))[1:-1]} model, which is not supported: use a CTC model, such as "
            f"{EXAMPLES}"
        )
    return config_class
