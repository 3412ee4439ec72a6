"""The reference of the Python names, from their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import griffe

import thano_duckdb

_FUNCTIONS = ("connect", "load", "rewrite", "show", "plot_training", "current_connection")
_CONNECTION = ("sql", "execute", "cursor", "interrupt", "close", "extract_statements", "get_table_names")
_ERRORS = ("ThanoError", "DialectError", "ModelError", "RegistryError", "AudioError", "ThanoWarning")
_BEGINNING = """# Python

<!-- Written by `python -m docs_build` from the docstrings: edit them in the code. -->

```python
import thano_duckdb
```
"""


def python_page() -> str:
    """The page: functions, the connection, errors."""
    lines = [_BEGINNING]
    for name in _FUNCTIONS:
        lines += [f"## {name}", "", *_entry(f"thano_duckdb.{name}", getattr(thano_duckdb, name))]
    lines += ["## Connection", "", *_docstring(thano_duckdb.Connection)]
    for name in _CONNECTION:
        lines += [f"### {name}", "", *_entry(f"con.{name}", getattr(thano_duckdb.Connection, name), is_method=True)]
    lines += ["## Errors and warnings", ""]
    for name in _ERRORS:
        lines += [f"### {name}", "", *_docstring(getattr(thano_duckdb, name))]
    return "\n".join(lines).rstrip("\n") + "\n"


def _entry(name: str, function: Any, *, is_method: bool = False) -> list[str]:
    parameters = list(inspect.signature(function).parameters.values())[is_method:]
    return ["```text", f"{name}(", *_parameters(parameters), ")", "```", "", *_docstring(function)]


def _parameters(parameters: list[inspect.Parameter]) -> Iterator[str]:
    are_by_keyword = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not are_by_keyword:
            are_by_keyword = True
            yield "    *,"
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        yield f"    {parameter.name}: {parameter.annotation}{default},"


def _docstring(documented: Any) -> list[str]:
    text = inspect.getdoc(documented) or ""
    sections = griffe.Docstring(text).parse("google", warnings=False)
    return [line for section in sections for line in [*_section(section), ""]]


def _section(section: Any) -> Iterator[str]:
    match section.kind:
        case griffe.DocstringSectionKind.text:
            yield section.value
        case griffe.DocstringSectionKind.parameters | griffe.DocstringSectionKind.attributes:
            yield "| argument | |" if section.kind is griffe.DocstringSectionKind.parameters else "| attribute | |"
            yield "|---|---|"
            yield from (f"| `{each.name}` | {_one_line(each.description)} |" for each in section.value)
        case griffe.DocstringSectionKind.raises:
            yield "Raises:"
            yield ""
            yield from (f"- `{each.annotation}`: {_one_line(each.description)}" for each in section.value)
        case griffe.DocstringSectionKind.returns:
            yield f"Returns: {_one_line(' '.join(each.description for each in section.value))}"
        case griffe.DocstringSectionKind.examples:
            for kind, value in section.value:
                yield from [f"```pycon\n{value}\n```"] if kind is griffe.DocstringSectionKind.examples else [value]
        case griffe.DocstringSectionKind.admonition:
            yield f"{section.title}:\n\n```pycon\n{section.value.contents}\n```"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
