"""The models with short names of their own: two from the Hugging Face hub, and the small one in the package."""

from __future__ import annotations

from dataclasses import dataclass

from .tiny import NAME as TINY_MODEL

TUTORIAL_MODEL = "tutorial_audio_recognition"


@dataclass(frozen=True)
class BuiltInModel:
    """A model that has a short name of its own.

    Attributes:
        names: all its names, compared case-insensitively; the first is the one to show.
        repo_id: `owner/name` on the hub; None for the model that ships with the package.
        description: one line.
    """

    names: tuple[str, ...]
    repo_id: str | None
    description: str


BUILT_IN_MODELS = (
    BuiltInModel(
        ("Wav2Vec2En", TUTORIAL_MODEL, "wav2vec2"),
        "facebook/wav2vec2-base-960h",
        "Wav2Vec2 base for English, trained on 960 hours of LibriSpeech",
    ),
    BuiltInModel(
        ("Wav2Vec2LargeEn",),
        "facebook/wav2vec2-large-960h-lv60-self",
        "Wav2Vec2 large for English, trained on Libri-Light and 960 hours of LibriSpeech",
    ),
    BuiltInModel(
        (TINY_MODEL,),
        None,
        "small Wav2Vec2 for English that ships with the package: needs no network, for trying things out",
    ),
)


def find_built_in(name: str) -> BuiltInModel | None:
    """The built-in model of a name, whatever its case."""
    folded = name.casefold()
    return next((model for model in BUILT_IN_MODELS if folded in (each.casefold() for each in model.names)), None)
