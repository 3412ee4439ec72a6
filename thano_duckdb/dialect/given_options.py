"""The options that one statement gives."""

from __future__ import annotations

from dataclasses import dataclass

from thano_duckdb.option import Option, StatementKind, Value
from thano_duckdb.options import find_option

from .span import Span


@dataclass(frozen=True, slots=True)
class Given:
    """An option as a statement gives it.

    Attributes:
        option: the row of the table.
        value: the accepted value; None where NULL was written.
        name_span: where its name is written.
        span: where its value is written, quotes included.
    """

    option: Option
    value: Value
    name_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """The options that one statement gives, and the defaults of those that it omits."""

    statement: StatementKind
    given: tuple[Given, ...] = ()

    def __getitem__(self, name: str) -> Value:
        """The value in effect: the given one, else the default."""
        given = self.find(name)
        return find_option(self.statement, name).default if given is None or given.value is None else given.value

    def text(self, name: str) -> str | None:
        """The value of an option that is a name, a text or a choice."""
        value = self[name]
        return None if value is None else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of an option that is a list of choices; empty where it is omitted."""
        value = self[name]
        return tuple(map(str, value)) if isinstance(value, list) else ()

    def span_of(self, name: str) -> Span | None:
        """Where an option's value is written, or None where the default holds."""
        given = self.find(name)
        return None if given is None or given.value is None else given.span

    def find(self, name: str) -> Given | None:
        """The option as given, or None."""
        for given in self.given:
            if given.option.name == name:
                return given
        return None

    @property
    def for_function(self) -> dict[str, Value]:
        """What the function behind the statement is given; it fills in its own defaults."""
        return {
            given.option.name: given.value
            for given in self.given
            if (given.value is not None or given.option.takes_null)
            and given.option.goes_to_function
            and self.statement in given.option.used_by
        }

    @property
    def ignored(self) -> tuple[Given, ...]:
        """What was given without effect."""
        return tuple(given for given in self.given if self.statement in given.option.ignored_by)
