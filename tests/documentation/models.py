"""Small random models under the names that the pages use, in the local cache of the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mms import write_mms
from tests.models.fake_hub import put_in_cache
from tests.training.encoders import write_encoder
from tests.training.kit import write_model

_HUB_NAMES = {
    "Wav2Vec2En": "facebook/wav2vec2-base-960h",
    "facebook/wav2vec2-xls-r-300m": "facebook/wav2vec2-xls-r-300m",
    "facebook/mms-1b-all": "facebook/mms-1b-all",
}


@dataclass(frozen=True)
class SmallModels:
    """Folders of checkpoints.

    Attributes:
        recognizer: English, thousands of random weights.
        encoder: one without a vocabulary.
        multilingual: one of many languages.
    """

    recognizer: Path
    encoder: Path
    multilingual: Path


def write_small_models(folder: Path) -> SmallModels:
    """Write all of them."""
    return SmallModels(
        recognizer=write_model(folder / "recognizer"),
        encoder=write_encoder(folder / "encoder"),
        multilingual=write_mms(folder / "multilingual"),
    )


def fill_hub_cache(cache: Path, models: SmallModels, code: str) -> None:
    """Put the models that `code` names into the cache of the hub's client."""
    folders = dict(zip(_HUB_NAMES, (models.recognizer, models.encoder, models.multilingual), strict=True))
    for name, folder in folders.items():
        if name in code:
            put_in_cache(cache, _HUB_NAMES[name], folder)
