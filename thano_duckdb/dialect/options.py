"""Every option of every statement: one table.

Tutorials of two generations spell some options differently: `spellings` holds the other names. What the statements of
those tutorials pass without effect is accepted, with a warning: `ignored_by`.
"""

from __future__ import annotations

from dataclasses import dataclass

from thano_duckdb.errors import did_you_mean

from .option import LARGEST, Kind, Option, Statement, Value
from .quoting import brief
from .span import Span

_MODEL_RUNS = frozenset({Statement.PREDICT, Statement.EVALUATE, Statement.BUILD, Statement.FIT})
_TRAINS = frozenset({Statement.BUILD, Statement.FIT})
_JUDGES = frozenset({Statement.PREDICT, Statement.EVALUATE})
_FETCHES = frozenset({Statement.UPLOAD, Statement.GET_MODEL, Statement.GET_DATASET})
_PREDICT, _SEARCH = frozenset({Statement.PREDICT}), frozenset({Statement.SEARCH_AUDIO})
_CONVERT, _COPY = frozenset({Statement.CONVERT}), frozenset({Statement.COPY})

OPTIONS = (
    Option(
        name="audio_col",
        kind=Kind.COLUMN,
        default="audio_path",
        used_by=_MODEL_RUNS | _SEARCH | _CONVERT | {Statement.PRINT_AUDIO},
    ),
    Option(
        name="text_col", kind=Kind.COLUMN, default="text", used_by=_TRAINS | {Statement.EVALUATE}, ignored_by=_PREDICT
    ),
    Option(name="by", kind=Kind.COLUMN, used_by=frozenset({Statement.EVALUATE})),
    Option(name="result_col", kind=Kind.TEXT, default="predicted", used_by=_PREDICT | _SEARCH | _CONVERT),
    Option(
        name="include",
        kind=Kind.CHOICES,
        choices=("confidence", "words", "duration", "error"),
        used_by=_PREDICT,
    ),
    Option(name="batch_size", kind=Kind.INTEGER, at_least=1, at_most=LARGEST, used_by=_MODEL_RUNS | _SEARCH | _CONVERT),
    Option(name="on_error", kind=Kind.CHOICE, choices=("null", "fail"), default="null", used_by=_MODEL_RUNS),
    Option(
        name="device",
        kind=Kind.CHOICE,
        choices=("auto", "cpu", "cuda", "mps"),
        used_by=_MODEL_RUNS | _SEARCH | _CONVERT,
    ),
    Option(
        name="precision",
        kind=Kind.CHOICE,
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
        used_by=_MODEL_RUNS | _SEARCH | _CONVERT,
    ),
    Option(
        name="epochs",
        spellings=("max_epochs",),
        kind=Kind.INTEGER,
        default=5,
        at_least=1,
        at_most=LARGEST,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(name="learning_rate", kind=Kind.NUMBER, default=1e-4, above=0, used_by=_TRAINS, ignored_by=_JUDGES),
    Option(
        name="warmup_ratio",
        kind=Kind.NUMBER,
        default=0.1,
        at_least=0,
        at_most=1,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(
        name="gradient_accumulation",
        spellings=("gradient_accumulation_steps",),
        kind=Kind.INTEGER,
        default=1,
        at_least=1,
        at_most=LARGEST,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(
        name="validation_split",
        kind=Kind.NUMBER,
        default=0.0,
        at_least=0,
        below=1,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(
        name="mask_time_prob",
        kind=Kind.NUMBER,
        default=0.05,
        at_least=0,
        at_most=1,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(
        name="seed",
        kind=Kind.INTEGER,
        default=0,
        at_least=0,
        at_most=LARGEST,
        used_by=_TRAINS,
        ignored_by=_JUDGES,
    ),
    Option(name="freeze_feature_encoder", kind=Kind.BOOLEAN, used_by=_TRAINS, ignored_by=_JUDGES),
    Option(name="from_scratch", kind=Kind.BOOLEAN, default=False, used_by=_TRAINS, ignored_by=_JUDGES),
    Option(name="augment", kind=Kind.BOOLEAN, used_by=_TRAINS, ignored_by=_JUDGES),
    Option(name="resume", kind=Kind.BOOLEAN, default=True, used_by=_TRAINS, ignored_by=_JUDGES),
    Option(name="overwrite", kind=Kind.BOOLEAN, default=False, used_by=_TRAINS | _COPY | _FETCHES, ignored_by=_JUDGES),
    Option(name="if_exists", kind=Kind.CHOICE, choices=("fail", "replace", "append"), default="fail", used_by=_COPY),
    Option(name="model_name", kind=Kind.TEXT, used_by=frozenset({Statement.GET_MODEL})),
    Option(
        name="framework",
        kind=Kind.CHOICE,
        choices=("pytorch",),
        default="pytorch",
        used_by=frozenset({Statement.UPLOAD}),
    ),
    Option(name="search_input", kind=Kind.TEXT, used_by=_SEARCH),
    Option(name="search_by", kind=Kind.CHOICE, choices=("text", "audio"), default="text", used_by=_SEARCH),
    Option(name="emb_col", kind=Kind.COLUMN, used_by=_SEARCH),
    Option(name="top_k", kind=Kind.INTEGER, at_least=1, at_most=LARGEST, used_by=_SEARCH),
)

_BY_NAME = {name: option for option in OPTIONS for name in (option.name, *option.spellings)}

# Options of the original dialect that we do not take, and what to do instead.
_ELSEWHERE = {
    "language": "it belongs to Whisper models, which are not supported; a Wav2Vec2 model has one language",
    "task": "it belongs to Whisper models, which are not supported; a Wav2Vec2 model only transcribes",
    "table_name": "to keep the rows write CREATE TABLE name AS in front of the statement",
}


def find_option(statement: Statement, name: str) -> Option:
    """The option that a statement calls `name`, by any spelling, in any case.

    Raises:
        ValueError: the statement takes no such option; the text says which it takes.
    """
    option = _BY_NAME.get(name.lower())
    if option is not None and statement in option.used_by | option.ignored_by:
        return option
    problem = f"{statement} has no option {brief(name)}"
    if name.lower() in _ELSEWHERE:
        raise ValueError(f"{problem}: {_ELSEWHERE[name.lower()]}.")
    taken = [option.name for option in OPTIONS if statement in option.used_by]
    near = did_you_mean(name, [*taken, *(other for other in _BY_NAME if statement in _BY_NAME[other].used_by)])
    listed = f" It takes {', '.join(taken)}." if taken else " It takes none."
    raise ValueError(f"{problem}.{near or listed}")


@dataclass(frozen=True, slots=True)
class Given:
    """An option as a statement gives it.

    Attributes:
        option: the row of the table.
        value: the accepted value; None where NULL was written.
        name_span: place of its name.
        span: place of its value, quotes included.
    """

    option: Option
    value: Value
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Options:
    """What OPTIONS of one statement says, and what holds where it says nothing."""

    statement: Statement
    given: tuple[Given, ...] = ()

    def __getitem__(self, name: str) -> Value:
        """The value that holds: the given one, else the default."""
        given = self.find(name)
        return _BY_NAME[name].default if given is None or given.value is None else given.value

    def text(self, name: str) -> str | None:
        """The value of an option that is a name, a text or a choice."""
        value = self[name]
        return None if value is None else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of an option that is a list of choices; none where it is left away."""
        value = self[name]
        return tuple(map(str, value)) if isinstance(value, list) else ()

    def place(self, name: str) -> Span | None:
        """The place of an option's value, where one is given that holds."""
        given = self.find(name)
        return None if given is None or given.value is None else given.span

    def find(self, name: str) -> Given | None:
        """The option as given, or None."""
        return next((given for given in self.given if given.option.name == name), None)

    def only_given(self, *names: str) -> dict[str, Value]:
        """Those of `names` that were given a value, for what reads them to fill in its own defaults."""
        return {
            given.option.name: given.value
            for given in self.given
            if given.option.name in names and given.value is not None
        }

    @property
    def ignored(self) -> tuple[Given, ...]:
        """What was given without effect."""
        return tuple(given for given in self.given if self.statement in given.option.ignored_by)
