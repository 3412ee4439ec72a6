"""What an option is, and which values it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, StrEnum

from thano_duckdb.errors import did_you_mean

from .quoting import brief

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

LARGEST = 2**31 - 1
"""The largest whole number that any option takes."""


class Statement(StrEnum):
    """Our statements, by the name that messages use."""

    PREDICT = "PREDICT"
    EVALUATE = "EVALUATE"
    BUILD = "BUILD MODEL"
    FIT = "FIT MODEL"
    PRINT_AUDIO = "PRINT AUDIO"
    COPY = "COPY"
    LIST = "LIST"
    GET_MODEL = "GET THANOSQL MODEL"
    GET_DATASET = "GET THANOSQL DATASET"
    UPLOAD = "UPLOAD MODEL"
    DELETE = "DELETE MODEL"
    SEARCH_AUDIO = "SEARCH AUDIO"
    CONVERT = "CONVERT"


class Kind(Enum):
    """What the value of an option is."""

    COLUMN = "the name of a column of the query"
    TEXT = "a text"
    INTEGER = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "True or False"
    CHOICE = "one of"
    CHOICES = "one or a list of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: a row of the table.

    Attributes:
        kind: what its value is.
        default: what holds where it is left away or given as NULL; None means automatic, or nothing.
        used_by: the statements that it acts on.
        ignored_by: the statements that accept it without effect.
        spellings: its other names.
        choices: what CHOICE and CHOICES allow.
        at_least, above, at_most, below: the range of a number.
    """

    name: str
    kind: Kind
    default: Value = None
    used_by: frozenset[Statement]
    ignored_by: frozenset[Statement] = frozenset()
    spellings: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def accept(self, value: Value) -> Value:
        """The value as the statement takes it: choices in lower case, a lone one of CHOICES as a list.

        Raises:
            ValueError: the value is of another type, out of range, or not one of the choices.
        """
        accepted = self._accept(value)
        if accepted is None:
            raise ValueError(
                f"The option '{self.name}' must be {self._wanted()}, not {_shown(value)}.{self._near(value)}"
            )
        return accepted

    def _accept(self, value: Value) -> Value:
        match self.kind:
            case Kind.COLUMN | Kind.TEXT:
                return value if isinstance(value, str) and value else None
            case Kind.BOOLEAN:
                return value if isinstance(value, bool) else None
            case Kind.CHOICE:
                return self._choice(value)
            case Kind.CHOICES:
                chosen = [self._choice(item) for item in (value if isinstance(value, list) else [value])]
                return None if None in chosen or len(set(chosen)) < len(chosen) else list[Scalar](chosen)
            case Kind.INTEGER | Kind.NUMBER:
                return self._number(value)

    def _choice(self, value: Value) -> str | None:
        return value.lower() if isinstance(value, str) and value.lower() in self.choices else None

    def _number(self, value: Value) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if self.kind is Kind.INTEGER and not isinstance(value, int):
            return None
        inside = (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )
        if not inside:
            return None
        return value if self.kind is Kind.INTEGER else float(value)

    def _wanted(self) -> str:
        if self.choices:
            names = ", ".join(f"'{choice}'" for choice in self.choices)
            return f"{self.kind.value} {names}" if len(self.choices) > 1 else names
        bounds = {"of at least": self.at_least, "above": self.above, "below": self.below}
        if self.at_most is not None and self.at_most < LARGEST:
            bounds["at most"] = self.at_most
        limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
        return f"{self.kind.value} {limits}".rstrip()

    def _near(self, value: Value) -> str:
        wrong = value if isinstance(value, list) else [value]
        texts = [item for item in wrong if isinstance(item, str) and item.lower() not in self.choices]
        return did_you_mean(texts[0], list(self.choices)) if texts and self.choices else ""


def _shown(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return brief(value) if isinstance(value, str) else "NULL" if value is None else str(value)
