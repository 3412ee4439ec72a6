"""The calls in SQL text that change models or write a data set: what its statement allows, and a view of it does not.

Pure: read from the tokens, so that comments and strings allow nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from duckdb import token_type

from .lexer import Tokens, lex

_PARAMETERS: dict[str, tuple[str, ...]] = {
    "build": ("name", "base", "options", "example"),
    "build_language_model": ("name", "options", "text"),
    "upload_model": ("name", "folder", "options"),
    "upload_language_model": ("name", "file", "options"),
    "delete_model": ("name", "if_exists", "is_language_model"),
    "delete_cache": ("model",),
    "get_model": ("name", "options"),
    "get_dataset": ("name", "options"),
    "set": ("name", "value"),
}
"""Of each macro `thano_..` that changes something."""
_DEFAULTS = {"options": "{}", "if_exists": False, "is_language_model": None, "value": None, "model": None}
_ROWS = ("example", "text")
"""Parameters that are no constants."""
_NAME = re.compile(rf"\bthano_({'|'.join(_PARAMETERS)})\b", re.IGNORECASE)
_CONSTANTS = {"true": True, "false": False, "null": None}
_NO_CONSTANT = object()
_DOLLAR_QUOTED = re.compile(r"(\$\w*\$)(.*)\1", re.DOTALL)


@dataclass(frozen=True)
class ChangingCall:
    """One call of a function that changes something, as the text has it.

    Attributes:
        function: such as `delete_model`.
        constants: the arguments that are constants in the text, or omitted there, by the name of their parameter.
    """

    function: str
    constants: Mapping[str, Any] = field(hash=False)

    @property
    def is_setting(self) -> bool:
        """Whether it changes a setting of the connection, and no model or data set."""
        return self.function == "set"

    @property
    def is_exact(self) -> bool:
        """Whether the text says all of what it changes, so that the call means one change."""
        return {*self.constants, *_ROWS} >= {*_PARAMETERS[self.function]}

    def allows(self, function: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a call of `function` with these arguments, by the names of its parameters, may be this one."""
        return function == self.function and all(arguments[name] == value for name, value in self.constants.items())


def changing_calls(sql: str) -> tuple[ChangingCall, ...]:
    """The calls in a text of DuckDB SQL, our statements being rewritten already.

    Example:
        >>> changing_calls("FROM thano_delete_model('mine') -- not thano_delete_model('yours')")
        (ChangingCall(function='delete_model', constants={'if_exists': False, ..., 'name': 'mine'}),)
    """
    if not _NAME.search(sql):
        return ()
    tokens = lex(sql)
    return tuple(_calls(tokens))


def _calls(tokens: Tokens) -> Iterator[ChangingCall]:
    for index, word in enumerate(tokens.words):
        named = _NAME.fullmatch(word.strip('"'))
        if named is not None and tokens.word(index + 1) == "(" and tokens.kinds[index] is not token_type.string_const:
            yield _call(named[1], list(_arguments(tokens, index + 2)))


def _call(function: str, arguments: list[list[str]]) -> ChangingCall:
    parameters = _PARAMETERS[function]
    constants: dict[str, Any] = {name: _DEFAULTS[name] for name in parameters if name in _DEFAULTS}
    for position, argument in enumerate(arguments):
        name = parameters[position] if position < len(parameters) else ""
        if argument[1:2] in ([":="], ["=>"]):
            name, argument = argument[0].strip('"').lower(), argument[2:]
        constants.pop(name, None)
        if len(argument) == 1 and (value := _constant(argument[0])) is not _NO_CONSTANT:
            constants[name] = value
    return ChangingCall(function, {name: constants[name] for name in sorted(constants) if name in parameters})


def _arguments(tokens: Tokens, index: int) -> Iterator[list[str]]:
    """The tokens of each argument of a call, whose first token is at `index`."""
    depth, argument = 0, list[str]()
    for text in tokens.texts[index:]:
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if depth < 0 or (depth == 0 and text == ","):
            if argument:
                yield argument
            argument = []
            if depth < 0:
                return
        else:
            argument.append(text)


def _constant(token: str) -> Any:
    """The value of a token, or `_NO_CONSTANT`."""
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    if quoted := _DOLLAR_QUOTED.fullmatch(token):
        return quoted[2]
    return _CONSTANTS.get(token.lower(), _NO_CONSTANT)
