"""Reads what a checkpoint says of its audio input: `preprocessor_config.json` or `processor_config.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thano_duckdb.errors import ModelError
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .settings_files import read_flag, read_object, shown


def audio_settings(folder: Path) -> dict[str, Any]:
    """What the checkpoint says of its audio input.

    Raises:
        ModelError: nothing, or the sample rate is not 16 kHz.
    """
    settings = read_audio_settings(folder)
    rate_hz = settings.get("sampling_rate", SAMPLE_RATE_HZ)
    if rate_hz != SAMPLE_RATE_HZ:
        raise ModelError(f"{folder} was trained on audio at {shown(rate_hz)} Hz; only {SAMPLE_RATE_HZ} Hz is supported")
    return settings


def read_normalize(folder: Path) -> bool:
    """Whether the model expects clips with zero mean and unit variance (`do_normalize`).

    Raises:
        ModelError: the settings are missing, or the sample rate is not 16 kHz, or the input is not a waveform.
    """
    settings = audio_settings(folder)
    kind = settings.get("feature_extractor_type", "Wav2Vec2FeatureExtractor")
    if kind != "Wav2Vec2FeatureExtractor":
        raise ModelError(f"{folder} uses a {shown(kind)}, but its network reads the waveform")
    return read_flag(settings, "do_normalize", folder, default=True)


def read_audio_settings(folder: Path) -> dict[str, Any]:
    """What transformers' feature extractor is made from.

    Raises:
        ModelError: the settings are missing or damaged.
    """
    settings = read_object(folder / "preprocessor_config.json")
    if settings is None:
        settings = (read_object(folder / "processor_config.json") or {}).get("feature_extractor")
    if settings is not None and not isinstance(settings, dict):
        raise ModelError(f"{folder / 'processor_config.json'} is damaged: its feature_extractor is not a JSON object")
    if settings is None:
        raise ModelError(
            f"{folder} has no preprocessor_config.json, which describes the audio input of the model: "
            "copy it from the model that this one was fine-tuned from"
        )
    return settings
