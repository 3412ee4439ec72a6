"""Errors of DuckDB about the SQL that our statements became, at their position in the text that the user wrote."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence

import duckdb

from thano_duckdb.dialect import Node, near_miss, parse

EXCERPT = re.compile(r"\n\n(?P<head>LINE \d+: )(?P<text>.*)\n(?P<before> *)(?P<carets>\^+)")
"""What DuckDB's errors show of the SQL."""


@contextlib.contextmanager
def parse_errors_translated(source: str) -> Iterator[None]:
    """Within the block, which parses what `source` became and runs nothing, errors are those of a run.

    Raises:
        DialectError: `source` is nearly one of our statements.
        duckdb.ParserException: DuckDB's, with the line of `source`.
    """
    try:
        yield
    except duckdb.ParserException as error:
        if missed := near_miss(source):
            raise missed from None
        raise duckdb.ParserException(with_own_line(str(error), source, parse(source))) from None


def with_own_line(message: str, source: str, statements: Sequence[Node]) -> str:
    """The message of DuckDB with the line of `source` in place of one of the SQL that its `statements` became."""
    excerpt = EXCERPT.search(message)
    if excerpt is None or not statements or excerpt["text"].strip(". ") in source:
        return message
    line = excerpt["head"] + excerpt["text"]
    at = len(excerpt["before"])
    end = at + len(excerpt["carets"])
    marked = line[at:end]
    positions = [match.start() for match in re.finditer(re.escape(marked), source)]
    # Where the user wrote the same several times: the one with the same text around it.
    first = max(
        positions,
        key=lambda start: _n_equal(source[start:], line[at:]) + _n_equal(source[:start][::-1], line[:at][::-1]),
        default=statements[0].keyword.start,
    )
    width = len(marked) if positions else 1
    number, line_start = source.count("\n", 0, first) + 1, source.rfind("\n", 0, first) + 1
    head = f"LINE {number}: "
    text = source[line_start:].split("\n", 1)[0]
    own = f"\n\n{head}{text}\n{' ' * (len(head) + first - line_start)}{'^' * width}"
    return f"{message[: excerpt.start()]}{own}{message[excerpt.end() :]}"


def _n_equal(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
