"""What ThanoSQL called its models, and what to write here in place of those that do not exist here.

`Wav2Vec2En`, `wav2vec2` and `tutorial_audio_recognition` do exist: see `built_in_models`.
"""

from __future__ import annotations

_KOREAN = (
    "ThanoSQL's Korean model. In its place write a Korean CTC model of the Hugging Face hub, such as "
    "'hf://kresnik/wav2vec2-large-xlsr-korean', or 'hf://facebook/mms-1b-all' with OPTIONS (language='kor'), or make "
    "one from your own recordings: BUILD MODEL name USING 'hf://facebook/wav2vec2-xls-r-300m'"
)
_WHISPER = (
    "ThanoSQL's Whisper, and Whisper is not supported: use a CTC model, such as Wav2Vec2En or "
    "'hf://facebook/wav2vec2-base-960h'"
)
_NOT_SPEECH = "one of ThanoSQL's models for text, images, video or tables: here there are only models for speech"

_ADVICE = {
    "Wav2Vec2Ko": _KOREAN,
    **dict.fromkeys(("Whisper", "whisper_s", "tutorial_whisper_small"), _WHISPER),
    **dict.fromkeys(
        (
            "AlbertKo", "AlbertEn", "ElectraKo", "ElectraEn", "electra", "SBERTKo", "SBERTEn",
            "tutorial_text_classification", "CLIP", "tutorial_clip", "XCLIP", "ViLT", "tutorial_vilt", "SimCLR",
            "ConvNeXt_Tiny", "ConvNeXt_Base", "EfficientNetV2S", "EfficientNetV2M", "EfficientV2M", "AutomlClassifier",
            "AutomlRegressor", "TFT",
        ),
        _NOT_SPEECH,
    ),
}  # fmt: skip
_FOLDED = {name.casefold(): advice for name, advice in _ADVICE.items()}


def advice_on(name: str) -> str | None:
    """What a name meant in ThanoSQL, whatever its case, and what to write instead; None for any other name."""
    return _FOLDED.get(name.casefold())
