"""The page of all warnings has each that the code can issue."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import thano_duckdb
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "warnings.md").read_text(encoding="utf-8").replace("`", "")
PACKAGE = Path(thano_duckdb.__file__).parent
MIN_LENGTH = 12
LENGTH = 40
"""How much of a part is compared."""
ISSUE = ("notice", "warn", "warned")
SENTENCES_MADE_BY = {
    "connection/copied_folder.py": ("unread_audio",),
    "connection/running_statement.py": ("not_scored_warnings", "replaced_columns_warning", "unwritable_warning"),
    "dialect/nodes.py": ("warnings",),
    "dialect/statements/transcription.py": ("warnings",),
    "audio/mixed_clips.py": ("warning",),
    "models/resolve.py": ("_stand_in",),
    "speech/loading.py": ("_notice",),
    "speech/alphabet.py": ("describe_dropped", "describe_lost_accents"),
    "training/build.py": ("_describe_unwritten",),
    "training/comparison.py": ("warning", "warning_without_base"),
    "training/corpus.py": ("describe", "_describe_unwritable", "_describe_share"),
    "training/new_alphabet.py": ("describe",),
}
"""Functions that make a sentence which is issued elsewhere, from a variable."""
VARIABLES = {
    "advice",
    "mixed_clips.warning()",
    "model.notice",
    "note",
    "notice",
    "replaced_columns_warning(replaced)",
    "replaced_columns_warning([name])",
    "resolved.notice",
    "self.mixed_clips.warning(REMEDY_OF_FUNCTION if is_function else REMEDY)",
    "sentence",
    "unwritable_warning(self._n_unwritable, self._unwritable)",
    "warning",
}
"""What warnings are issued from, besides texts: a new one makes its function one of those above."""


def parts_of(node: ast.AST) -> set[str]:
    """The unbroken parts of the texts that an expression or a function holds."""
    texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
    cleaned = (" ".join(text.split()).strip(" ('\".,;:") for text in texts)
    return {text for text in cleaned if len(text) >= MIN_LENGTH}


def issued(tree: ast.AST) -> Iterator[ast.expr]:
    """The first argument of each call that issues a warning."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ISSUE:
                yield node.args[0]


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.Constant)


FILES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")
}


def sentences() -> Iterator[tuple[str, frozenset[str]]]:
    """For each warning its file, and its unbroken parts."""
    for file, tree in FILES.items():
        for argument in filter(is_text, issued(tree)):
            yield file, frozenset(parts_of(argument))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name in SENTENCES_MADE_BY.get(file, ()):
                yield file, frozenset[str]().union(*map(parts_of, node.body[1:]))  # the first is the docstring


def test_every_warning_is_on_the_page() -> None:
    missing = [(file, parts) for file, parts in sentences() if not any(part[:LENGTH] in PAGE for part in parts)]
    assert missing == []


def test_sentences_in_variables_come_from_functions_that_are_read_here() -> None:
    assert {ast.unparse(each) for tree in FILES.values() for each in issued(tree) if not is_text(each)} == VARIABLES
    named = {(file, name) for file, names in SENTENCES_MADE_BY.items() for name in names}
    defined = {
        (file, node.name) for file in FILES for node in ast.walk(FILES[file]) if isinstance(node, ast.FunctionDef)
    }
    assert named <= defined
