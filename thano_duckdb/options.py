"""Every option of every statement: its type, range, default and meaning, stated once.

The dialect reads `OPTIONS (..)` by this table, the functions check the JSON text of a call by it, `connect` and `load`
their keywords, training its options, and a test the tables of the README.

Tutorials of two generations spell some options differently: `spellings` holds the other names. What the statements of
those tutorials pass without effect is accepted, with a warning: `ignored_by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .alphabet_options import ALPHABET_OPTIONS
from .audio_options import AUDIO_OPTIONS
from .cache_options import CACHE_OPTIONS
from .channel_options import CHANNEL_OPTIONS
from .cluster_options import CLUSTER_OPTIONS
from .decoding_options import DECODING_OPTIONS
from .device_options import DEVICE_OPTIONS
from .errors import ThanoError, brief, did_you_mean
from .language_options import LANGUAGE_OPTIONS
from .level_options import LEVEL_OPTIONS
from .option import Option, StatementKind, ValueKind
from .text_options import TEXT_OPTIONS

MAX_INT32 = 2**31 - 1
MAX_SEED = 2**32 - 1  # the largest that numpy takes

_PREDICT = frozenset({StatementKind.PREDICT})
_TRANSCRIBE = frozenset({StatementKind.PREDICT, StatementKind.EVALUATE})
_TRAIN = frozenset({StatementKind.BUILD, StatementKind.FIT})
_LANGUAGE_MODEL = frozenset({StatementKind.BUILD_LANGUAGE_MODEL})
_RUN_A_MODEL = _TRANSCRIBE | _TRAIN
_READ_AUDIO = _RUN_A_MODEL | {StatementKind.PRINT_AUDIO}


def _training(name: str, description: str, kind: ValueKind, **fields: Any) -> Option:
    """An option of BUILD and FIT, which the tutorials pass to PREDICT too."""
    return Option(name, description, kind, **fields, used_by=_TRAIN, ignored_by=_TRANSCRIBE)


OPTIONS = (
    *AUDIO_OPTIONS,
    *TEXT_OPTIONS,
    Option(
        "by",
        "a column, or a list of columns, whose groups get a row each",
        ValueKind.COLUMNS,
        default_in_words="all rows together",
        used_by=frozenset({StatementKind.EVALUATE}),
        goes_to_function=False,
    ),
    Option(
        "result_col",
        "the name of the column of transcripts",
        ValueKind.TEXT,
        default="predicted",
        used_by=_PREDICT,
        goes_to_function=False,
    ),
    Option(
        "include",
        "more columns: any of `'confidence'`, `'words'`, `'duration'`, `'error'`, `'alternatives'`, `'hotwords'`; "
        "`'all'`: those that take no more time, so `alternatives` only with `n_best`, `hotwords` only with any",
        ValueKind.CHOICES,
        choices=("confidence", "words", "duration", "error", "alternatives", "hotwords", "all"),
        default_in_words="none",
        used_by=_PREDICT,
        goes_to_function=False,
    ),
    _training(
        "epochs",
        "passes over the rows",
        ValueKind.INTEGER,
        default_in_words="5; 30 with new outputs for an alphabet",
        at_least=1,
        at_most=MAX_INT32,
        spellings=("max_epochs",),
    ),
    *DECODING_OPTIONS,
    Option(
        "batch_size",
        "clips in a batch at most",
        ValueKind.INTEGER,
        default_in_words="automatic",
        at_least=1,
        at_most=MAX_INT32,
        used_by=_RUN_A_MODEL,
    ),
    _training(
        "learning_rate",
        "the highest, after the warm-up; it falls to 0 over the second half. New outputs learn at ten times that rate",
        ValueKind.NUMBER,
        default=1e-4,
        above=0,
    ),
    _training(
        "warmup_ratio",
        "share of the steps over which the learning rate rises from 0",
        ValueKind.NUMBER,
        default_in_words="0.1; 0.2 with new outputs for an alphabet",
        at_least=0,
        at_most=1,
    ),
    _training(
        "validation_split",
        "share of the rows held out and evaluated after each epoch; the rows of a recording stay together",
        ValueKind.NUMBER,
        default=0.0,
        at_least=0,
        below=1,
    ),
    _training(
        "split_by",
        "a column whose values are each held out as a whole or not at all, such as the speaker; NULL is a value too",
        ValueKind.COLUMN,
        default_in_words="recordings",
        goes_to_function=False,
    ),
    _training(
        "keep",
        "the epoch that is published: `'best'`, by WER on the held-out rows (then CER, then loss), or `'last'`",
        ValueKind.CHOICE,
        choices=("best", "last"),
        default_in_words="`'best'` with a `validation_split`, else `'last'`",
    ),
    _training(
        "patience",
        "stop after this many epochs in a row that were not better, on the held-out rows, than the best one",
        ValueKind.INTEGER,
        at_least=1,
        at_most=MAX_INT32,
        default_in_words="train all epochs",
    ),
    _training(
        "seed",
        "seed of the order of the rows, augmentation, dropout, and weights from scratch",
        ValueKind.INTEGER,
        default=0,
        at_least=0,
        at_most=MAX_SEED,
    ),
    _training(
        "freeze_feature_encoder",
        "leave the convolutions as they are",
        ValueKind.BOOLEAN,
        default_in_words="True, but not from scratch",
    ),
    _training(
        "mask_time_prob",
        "SpecAugment: share of the frames of a clip that is masked",
        ValueKind.NUMBER,
        default=0.05,
        at_least=0,
        at_most=1,
    ),
    _training(
        "from_scratch",
        "random weights in the shape of the base; `Wav2Vec2TinyEn` is a small one that needs no download",
        ValueKind.BOOLEAN,
        default=False,
    ),
    *ALPHABET_OPTIONS,
    _training(
        "augment",
        "train on each clip also slower, faster, in rooms, by telephone and in noise",
        ValueKind.BOOLEAN,
        default_in_words="only from scratch",
    ),
    _training(
        "gradient_accumulation",
        "batches in a step",
        ValueKind.INTEGER,
        default=1,
        at_least=1,
        at_most=MAX_INT32,
        spellings=("gradient_accumulation_steps",),
    ),
    Option(
        "overwrite",
        "replace a table or file that exists; a model that exists gets a new version",
        ValueKind.BOOLEAN,
        default=False,
        used_by=_TRAIN
        | {StatementKind.COPY, StatementKind.UPLOAD, StatementKind.GET_MODEL, StatementKind.GET_DATASET}
        | {StatementKind.BUILD_LANGUAGE_MODEL, StatementKind.UPLOAD_LANGUAGE_MODEL},
        ignored_by=_TRANSCRIBE,
    ),
    _training("resume", "continue from the last checkpoint of the same build", ValueKind.BOOLEAN, default=True),
    *CHANNEL_OPTIONS,
    Option(
        "max_bytes",
        "size of a clip at most (a file, a BLOB, a download): 2 GiB; NULL: any size",
        ValueKind.INTEGER,
        default=2 * 1024**3,
        at_least=1,
        takes_null=True,
        used_by=_READ_AUDIO,
    ),
    Option(
        "max_duration",
        "seconds of audio of a clip at most: 4 hours; NULL: any length",
        ValueKind.SECONDS,
        default=14_400.0,
        above=0,
        takes_null=True,
        used_by=_READ_AUDIO,
    ),
    Option(
        "timeout",
        "seconds that a clip at a URL may take to arrive; NULL: any time",
        ValueKind.SECONDS,
        default=300.0,
        above=0,
        takes_null=True,
        used_by=_READ_AUDIO,
    ),
    Option(
        "on_error",
        "`'null'`: a clip that cannot be read gives NULL, or is skipped in training, with a warning; "
        "`'fail'`: it stops the statement",
        ValueKind.CHOICE,
        choices=("null", "fail"),
        default="null",
        used_by=_RUN_A_MODEL,
    ),
    Option(
        "skip_silence",
        "the silence of clips of more than 40 s (steady noise, hum and tones included) does not go through the model: "
        "see [Long recordings](docs/long-recordings.md)",
        ValueKind.BOOLEAN,
        default=True,
        used_by=_TRANSCRIBE,
    ),
    *DEVICE_OPTIONS,
    *CLUSTER_OPTIONS,
    *LANGUAGE_OPTIONS,
    *LEVEL_OPTIONS,
    *CACHE_OPTIONS,
    Option(
        "order",
        "words in the longest n-gram",
        ValueKind.INTEGER,
        default=3,
        at_least=2,
        at_most=6,
        used_by=_LANGUAGE_MODEL,
    ),
    Option(
        "prune",
        "an n-gram is dropped if the perplexity of the text grows by less than this share without it; 0 keeps all",
        ValueKind.NUMBER,
        default=1e-7,
        at_least=0,
        below=1,
        used_by=_LANGUAGE_MODEL,
    ),
    Option(
        "validation_split",
        "share of the sentences that is not learned from, to evaluate on",
        ValueKind.NUMBER,
        default=0.01,
        at_least=0,
        below=1,
        used_by=_LANGUAGE_MODEL,
    ),
    Option(
        "if_exists",
        "what happens to a table that exists: `'fail'`, `'replace'` or `'append'`",
        ValueKind.CHOICE,
        choices=("fail", "replace", "append"),
        default="fail",
        used_by=frozenset({StatementKind.COPY}),
        goes_to_function=False,
    ),
    Option(
        "model_name",
        "the name that the model gets in the registry",
        ValueKind.TEXT,
        default_in_words="its own",
        used_by=frozenset({StatementKind.GET_MODEL}),
    ),
    Option(
        "framework",
        "`'pytorch'`, the only one",
        ValueKind.CHOICE,
        choices=("pytorch",),
        default="pytorch",
        used_by=frozenset({StatementKind.UPLOAD}),
        goes_to_function=False,
    ),
)

_BY_STATEMENT: Mapping[StatementKind, Mapping[str, Option]] = {
    statement: {
        name: option
        for option in OPTIONS
        if statement in option.used_by | option.ignored_by
        for name in (option.name, *option.spellings)
    }
    for statement in StatementKind
}

# Options of the original dialect that we do not take, and what to do instead.
_ELSEWHERE = {
    "task": "it belongs to Whisper models, which are not supported; a Wav2Vec2 model only transcribes",
    "table_name": "to keep the rows write CREATE TABLE name AS in front of the statement",
}

_ARGUMENTS = {
    "thano_predict": ("audio_col",),
    "thano_evaluate": ("audio_col", "text_col"),
    "thano_plan": ("audio_col",),
}
"""What the table macros take as arguments, beside their options."""


def find_option(statement: StatementKind, name: str, *, function: str | None = None) -> Option:
    """The option that a statement calls `name`, by any of its spellings, whatever the case.

    Args:
        statement: which takes it.
        name: of the option.
        function: the function behind the statement, where it is the function that is given the option.

    Raises:
        ThanoError: the statement has no such option; the text says which it has.
    """
    known = _BY_STATEMENT[statement]
    if function is not None:
        known = {
            spelling: option
            for spelling, option in known.items()
            if option.goes_to_function and statement in option.used_by
        }
    option = known.get(name.lower())
    if option is not None:
        return option
    problem = f"{function or statement} has no option {brief(name)}"
    if name.lower() in _ELSEWHERE:
        raise ThanoError(f"{problem}: {_ELSEWHERE[name.lower()]}.")
    if function is not None and (elsewhere := _outside_of(function, statement, name.lower())):
        raise ThanoError(f"{problem}: {elsewhere}.")
    used = {spelling: option for spelling, option in known.items() if statement in option.used_by}
    names = dict.fromkeys(option.name for option in used.values())
    listed = f" It takes {', '.join(names)}." if names else " It takes none."
    raise ThanoError(f"{problem}.{did_you_mean(name, list(used)) or listed}")


def _outside_of(function: str, statement: StatementKind, name: str) -> str:
    """Where an option is given that a function does not take, but the statement in front of it; empty for any other."""
    if name in _ARGUMENTS.get(function, ()):
        return f"it is an argument of its own, {name} := '..'"
    for kind in (statement, *StatementKind):
        option = _BY_STATEMENT[kind].get(name)
        if option is not None and kind in option.used_by and not option.goes_to_function:
            return f"only the statement {kind} has it"
    return ""
