"""The options that say how texts are written, a part of the table in `options`: language models and hotwords.

`functions/decoder_choice.py` acts on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_PREDICT = frozenset({StatementKind.PREDICT})
_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})

DECODING_OPTIONS = (
    Option(
        "language_model",
        "a name, the path of an ARPA file or KenLM binary, `'en'`, `'model'` (the one in the model's folder), or NULL: "
        "see [Decoding](docs/decoding.md)",
        ValueKind.TEXT,
        default_in_words="`'en'` with `Wav2Vec2TinyEn` and models built from it, else none",
        takes_null=True,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "lm_weight",
        "weight of the language model beside the acoustic one",
        ValueKind.NUMBER,
        default_in_words="the language model's own, else 0.8",
        at_least=0,
        at_most=100,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "word_score",
        "what each word adds to the score of a text; more of it gives more and shorter words",
        ValueKind.NUMBER,
        default_in_words="the language model's own, else 2",
        at_least=-100,
        at_most=100,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "beam_width",
        "hypotheses that are kept at a time, where there is a language model, hotwords or `n_best`",
        ValueKind.INTEGER,
        default=100,
        at_least=1,
        at_most=10_000,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "hotwords",
        "words and phrases that are likely, such as names: `['Pierre', 'New York']`",
        ValueKind.TEXTS,
        default_in_words="none",
        used_by=_TRANSCRIBE,
    ),
    Option(
        "hotword_weight",
        "how much hotwords are favoured",
        ValueKind.NUMBER,
        default=6.0,
        at_least=0,
        at_most=100,
        used_by=_TRANSCRIBE,
    ),
    Option(
        "hotwords_col",
        "a column with a list of hotwords for each clip",
        ValueKind.COLUMN,
        default_in_words="none",
        used_by=_TRANSCRIBE,
        goes_to_function=False,
    ),
    Option(
        "n_best",
        "how many texts `include='alternatives'` gives",
        ValueKind.INTEGER,
        default_in_words="5",
        at_least=1,
        at_most=100,
        used_by=_PREDICT,
    ),
)
