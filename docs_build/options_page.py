"""The reference of all options, from the table in `thano_duckdb.options`."""

from __future__ import annotations

from collections.abc import Sequence

from thano_duckdb.option import Option, StatementKind
from thano_duckdb.options import OPTIONS

_SECTIONS = (
    ("PREDICT", (StatementKind.PREDICT,)),
    ("EVALUATE", (StatementKind.EVALUATE,)),
    ("BUILD MODEL and FIT MODEL", (StatementKind.BUILD, StatementKind.FIT)),
    ("BUILD LANGUAGE MODEL", (StatementKind.BUILD_LANGUAGE_MODEL,)),
    ("PRINT AUDIO", (StatementKind.PRINT_AUDIO,)),
    ("COPY", (StatementKind.COPY,)),
    ("GET THANOSQL MODEL", (StatementKind.GET_MODEL,)),
    ("GET THANOSQL DATASET", (StatementKind.GET_DATASET,)),
    ("UPLOAD MODEL", (StatementKind.UPLOAD,)),
    ("UPLOAD LANGUAGE MODEL", (StatementKind.UPLOAD_LANGUAGE_MODEL,)),
)
_BEGINNING = """# Options

<!-- Written by `python -m docs_build` from thano_duckdb/options.py: edit the descriptions there. -->

`OPTIONS (name=value, ..)` stands between the model and `AS`. Names are case-insensitive. A value is a number, a text in
single or double quotes, `True` or `False`, or a list of texts in brackets; NULL means the default unless the table says
otherwise. An unknown option, or a value that is not allowed, is an error that names the nearest right one.
"""


def options_page() -> str:
    """The page: a table for each statement that has options."""
    return "\n".join([_BEGINNING, *map(_section, _SECTIONS)]).rstrip("\n") + "\n"


def _section(section: tuple[str, Sequence[StatementKind]]) -> str:
    name, statements = section
    options = [option for option in OPTIONS if option.used_by.issuperset(statements)]
    ignored = [f"`{option.name}`" for option in OPTIONS if option.ignored_by.issuperset(statements)]
    lines = [f"## {name}", "", "| option | default | what it does |", "|---|---|---|", *map(_row, options), ""]
    if ignored:
        lines += [f"Accepted with a warning, and ignored: {', '.join(ignored)}.", ""]
    return "\n".join(lines)


def _row(option: Option) -> str:
    names = f"`{option.name}`" + "".join(f" (`{spelling}`)" for spelling in option.spellings)
    default = option.default_in_words or f"`{option.default_text}`"
    description = option.description.replace("](docs/", "](../")
    return f"| {names} | {default} | {description} |"
