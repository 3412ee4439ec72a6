"""Our statements, valid, then broken in the ways that typing, pasting and generating breaks them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tests.dialect.golden import read_cases

VALID = tuple(case.source for case in read_cases() if case.becomes is not None)
"""Statements of every kind."""

_TOKEN = re.compile(r"\s+|\w+|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|.", re.DOTALL)
_SPACES = "\u00a0\u2003\u200b\u202f\u2060\u3000\ufeff\t\r\n\f\v\u0085\u2028"
_CHARACTERS = _SPACES + "'\"`$?@;,.()[]{}<>=*/\\-_:|&%#!0123456789aAzZéß한🎧\u0000\u0301\u200d\u202e\u0130\u0131"
_INSERTED = [
    *(
        "/* PREDICT USING m AS */",
        "/* open",
        "-- LIST MODEL\n",
        "--",
        "/**/",
        "*/",
        "$$",
        "$a$;DELETE MODEL m;$a$",
        "#",
    ),
    *("(", ")", "((", "))", "()", ")(", "[", "]", "{", "}", "?", "$1", "$2", "$name", ";", ";;", ",", "=", ":=", "::"),
    *("NULL", "1e999", "-1", "0x10", "''", '""', "E'\\''", "AS", "FROM", "OPTIONS", "USING", "WITH x AS", "EXPLAIN"),
    *("BEGIN;", "COMMIT;", "ROLLBACK;", "PIVOT", "DESCRIBE", "NOT", "IF EXISTS", "OR REPLACE", "LIMIT 1", "DISTINCT"),
    *("OPTIONS (batch_size=99999999999999999999)", "OPTIONS (include=['words', 'error'])", "OPTIONS (by=[])"),
]

_Words = list[str]
_CASES: tuple[Callable[[str], str], ...] = (str.upper, str.lower, str.title, str.swapcase)


def mutated(rng: random.Random) -> str:
    """A valid statement after one to three changes; some are spliced from two."""
    sql = rng.choice(VALID)
    for _ in range(rng.choice([1, 1, 2, 3])):
        sql = rng.choice(_CHANGES)(rng, sql)
    return sql


def _change_token(rng: random.Random, sql: str) -> str:
    words: _Words = _TOKEN.findall(sql)
    solid = [index for index, word in enumerate(words) if not word.isspace()]
    if not solid:
        return sql
    at, other = rng.choice(solid), rng.choice(solid)
    word = words[at]
    match rng.randrange(9):
        case 0:
            words[at] = ""
        case 1:
            words[at] = f"{word} {word}"
        case 2:
            words[at], words[other] = words[other], word
        case 3:
            words[at] = rng.choice(_CASES)(word)
        case 4:
            quote = rng.choice(["'", '"', "`", "$$"])
            words[at] = f"{quote}{word}{quote}"
        case 5:
            words[at] = word[: rng.randrange(len(word))]
        case 6:
            words[at] = word.strip("'\"")
        case 7:
            words[at] = rng.choice(_TOKEN.findall(rng.choice(VALID)))
        case _:
            first, last = sorted((at, other))
            words[first:last] = [f"({''.join(words[first:last])})"]
    return "".join(words)


def _insert(rng: random.Random, sql: str) -> str:
    words: _Words = _TOKEN.findall(sql)
    words.insert(rng.randint(0, len(words)), f" {rng.choice(_INSERTED)} ")
    return "".join(words)


def _change_character(rng: random.Random, sql: str) -> str:
    if not sql:
        return sql
    at = rng.randrange(len(sql))
    match rng.randrange(4):
        case 0:
            return sql[:at] + sql[at + 1 :]
        case 1:
            return sql[:at] + sql[at] + sql[at:]
        case 2:
            return sql[:at] + sql[at : at + 2][::-1] + sql[at + 2 :]
        case _:
            return sql[:at] + rng.choice(_CHARACTERS) + sql[at + rng.randrange(2) :]


def _change_spaces(rng: random.Random, sql: str) -> str:
    space = rng.choice([*_SPACES, "", "/* */", "--\n"])
    return re.sub(r"\s+", lambda found: space if rng.random() < 0.3 else found[0], sql)


def _truncate(rng: random.Random, sql: str) -> str:
    at = rng.randint(0, len(sql))
    return sql[:at] if rng.random() < 0.7 else sql[at:]


def _splice(rng: random.Random, sql: str) -> str:
    other = rng.choice(VALID)
    joint = rng.choice([";", "; ", " ", " UNION ALL ", ") AS x, (", " AS "])
    return f"{sql}{joint}{other}" if rng.random() < 0.5 else f"{_truncate(rng, sql)}{_truncate(rng, other)}"


_CHANGES = (_change_token, _change_token, _change_token, _insert, _change_character, _change_spaces, _truncate, _splice)
