"""What an option of a statement is, and which values it takes."""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass
from enum import Enum, StrEnum

from .errors import ThanoError, brief, did_you_mean

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]


class StatementKind(StrEnum):
    """Our statements, by the name that messages use."""

    PREDICT = "PREDICT"
    EVALUATE = "EVALUATE"
    BUILD = "BUILD MODEL"
    FIT = "FIT MODEL"
    BUILD_LANGUAGE_MODEL = "BUILD LANGUAGE MODEL"
    PRINT_AUDIO = "PRINT AUDIO"
    COPY = "COPY"
    LIST = "LIST"
    DESCRIBE = "DESCRIBE MODEL"
    GET_MODEL = "GET THANOSQL MODEL"
    GET_DATASET = "GET THANOSQL DATASET"
    UPLOAD = "UPLOAD MODEL"
    UPLOAD_LANGUAGE_MODEL = "UPLOAD LANGUAGE MODEL"
    DELETE = "DELETE MODEL"
    DELETE_CACHE = "DELETE CACHE"
    SET = "SET"


class ValueKind(Enum):
    """What the value of an option is."""

    COLUMN = "the name of a column of the query"
    COLUMNS = "the name of a column of the query, or a list of names"
    TEXT = "a text"
    TEXTS = "a text, or a list of texts"
    INTEGER = "a whole number"
    NUMBER = "a number"
    SECONDS = "a number of seconds"
    BOOLEAN = "True or False"
    BOOLEAN_OR_SCHEMA = "True, False or the name of a schema"
    CHOICE = "one of"
    CHOICES = "one or a list of"
    CHOICE_OR_INTEGER = "a name or a whole number"
    CLUSTER = "'auto', 'ray', 'off' or the address of a Ray cluster such as 'ray://head:10001' or 'head:6379'"


_CLUSTER = re.compile(r"(?i:auto|ray|off)|ray://[^\s/:]+(?::[0-9]+)?|[^\s/:]+:[0-9]+")
_NUMBERS = (ValueKind.NUMBER, ValueKind.SECONDS)
_SWITCHES = ("true", "false", "on", "off", "yes", "no")
"""Texts that mean True or False, and no schema."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: a row of the table.

    Attributes:
        name: what it is called.
        description: one line of Markdown that says what it does.
        kind: what its value is.
        default: what holds where it is omitted or NULL; None where that is not one value.
        default_in_words: what holds where the default is None.
        used_by: the statements that it acts on.
        ignored_by: the statements that accept it without effect.
        spellings: its other names.
        choices: what CHOICE and CHOICES allow, and CHOICE_OR_INTEGER beside numbers; `cuda:N` stands for `cuda:0`,
            `cuda:1` and so on.
        advice: what to do instead, for values that people try.
        at_least, above, at_most, below: the range of a number.
        takes_null: NULL is a value of its own; else it means that the option is omitted.
        goes_to_function: the function behind the statement takes it in its JSON text; the others act on the SQL that
            the statement becomes.
    """

    name: str
    description: str
    kind: ValueKind
    _: KW_ONLY
    default: Value = None
    default_in_words: str = ""
    used_by: frozenset[StatementKind]
    ignored_by: frozenset[StatementKind] = frozenset()
    spellings: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    advice: tuple[tuple[str, str], ...] = ()
    at_least: int | None = None
    above: int | None = None
    at_most: int | None = None
    below: int | None = None
    takes_null: bool = False
    goes_to_function: bool = True

    @property
    def default_text(self) -> str:
        """The default as it is written in OPTIONS, or in words."""
        match self.default:
            case None:
                return self.default_in_words
            case str():
                return f"'{self.default}'"
            case float():
                return f"{self.default:g}"
            case _:
                return str(self.default)

    def given_twice(self, first: str, second: str) -> str:
        """The sentence for a statement that gives it as `first` and again as `second`, both of them names of it."""
        if first.lower() == second.lower():
            return f"The option '{second}' is given twice"
        other, own = sorted((first, second), key=lambda spelling: spelling.lower() == self.name)
        return f"'{other}' is another name of '{own}', which is given too"

    def accept(self, value: Value) -> Value:
        """The value as the statement takes it: choices in lower case, a single one of COLUMNS and CHOICES as a list.

        Raises:
            ThanoError: the value is of another type, out of range, or not one of the choices.
        """
        if value is None and self.takes_null:
            return None
        accepted = self._accept(value)
        if accepted is None and (repeated := self._repeated(value)):
            raise ThanoError(f"In the option '{self.name}', {repeated} is given twice.")
        if accepted is None and value == "" and self.kind in (ValueKind.COLUMN, ValueKind.COLUMNS, ValueKind.TEXT):
            raise ThanoError(f"The option '{self.name}' must not be empty.")
        if accepted is None:
            raise ThanoError(
                f"The option '{self.name}' must be {self._wanted()}, not {_shown(value)}{self._hint(value)}"
            )
        return accepted

    def _accept(self, value: Value) -> Value:
        match self.kind:
            case ValueKind.COLUMN | ValueKind.TEXT:
                return value if isinstance(value, str) and value else None
            case ValueKind.COLUMNS:
                names = [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]
                distinct = {name.casefold() for name in names if name}
                return list[Scalar](names) if names and len(distinct) == len(names) else None
            case ValueKind.TEXTS:
                texts = value if isinstance(value, list) else [value]
                return list(texts) if all(isinstance(text, str) for text in texts) else None
            case ValueKind.BOOLEAN:
                return value if isinstance(value, bool) else None
            case ValueKind.BOOLEAN_OR_SCHEMA:
                is_name = isinstance(value, str) and value and value.lower() not in _SWITCHES
                return value if isinstance(value, bool) or is_name else None
            case ValueKind.CHOICE:
                return self._choice(value)
            case ValueKind.CHOICES:
                chosen = [self._choice(item) for item in (value if isinstance(value, list) else [value])]
                return None if None in chosen or len(set(chosen)) < len(chosen) else list[Scalar](chosen)
            case ValueKind.INTEGER | ValueKind.NUMBER | ValueKind.SECONDS:
                return self._number(value)
            case ValueKind.CLUSTER:
                if not isinstance(value, str) or not _CLUSTER.fullmatch(value):
                    return None
                return value if ":" in value else value.lower()
            case ValueKind.CHOICE_OR_INTEGER:
                return self._choice(value) or self._number(value)

    def _choice(self, value: Value) -> str | None:
        if not isinstance(value, str):
            return None
        return value.lower() if value.lower() in self.choices or _numbered(value) in self.choices else None

    def _number(self, value: Value) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if self.kind not in _NUMBERS and not isinstance(value, int):
            return None
        is_inside = (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )
        if not is_inside:
            return None
        return float(value) if self.kind in _NUMBERS else value

    def _repeated(self, value: Value) -> str:
        """The first text of a list that it has before, whatever the case; empty where there is none."""
        texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        folded = [text.casefold() for text in texts]
        return next((_shown(text) for n, text in enumerate(texts) if text.casefold() in folded[:n]), "")

    def _wanted(self) -> str:
        names = ", ".join(f"'{choice}'" for choice in self.choices)
        if self.kind is ValueKind.CHOICE_OR_INTEGER:
            return f"{names} or a whole number from {self.at_least} to {self.at_most}"
        if self.choices:
            return f"{self.kind.value} {names}" if len(self.choices) > 1 else names
        if self.at_least is not None and self.at_most is not None:
            return f"{self.kind.value} from {self.at_least} to {self.at_most}"
        bounds = {"of at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        limits = " and ".join(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)
        return f"{self.kind.value} {limits}".rstrip()

    def _hint(self, value: Value) -> str:
        items = value if isinstance(value, list) else [value]
        wrong = next((item for item in items if self._choice(item) is None and isinstance(item, str | int)), "")
        text = str(wrong)
        for tried, instead in self.advice:
            if tried in (text.lower(), _numbered(text)):
                return f": {instead}."
        return "." + (did_you_mean(text, list(self.choices)) if text and isinstance(wrong, str) else "")


def _numbered(text: str) -> str:
    """`cuda:N` for `cuda:0`, `cuda:1` and so on."""
    return re.sub(r":[0-9]+$", ":N", text.lower())


def _shown(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return brief(value) if isinstance(value, str) else "NULL" if value is None else str(value)
