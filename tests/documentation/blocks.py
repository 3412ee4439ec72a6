"""The fenced blocks of a Markdown page.

Before a block that cannot run, or an output that differs from one machine to the next, a page has an invisible comment:

    <!-- not run: it needs a Ray cluster -->
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from docs_build.pages import pages
from tests.conftest import REPOSITORY

_BLOCK = re.compile(
    r"^(?:[ ]*<!-- not run: (?P<reason>[^\n]*) -->\n\n?)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the page, relative to the repository.
        line: of its first line in the page, counted from 1.
        language: `sql`, `python`, `sh`, `ipython`, or `text` for the output of the block before it.
        text: its content.
        not_run: why it cannot run, or why its output is not compared; None where it can.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, markdown: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [
        Block(
            page,
            markdown.count("\n", 0, block.start("text")) + 1,
            block["language"],
            textwrap.dedent(block["text"]),
            block["reason"],
        )
        for block in _BLOCK.finditer(markdown)
    ]


def _has_tests_of_its_own(page: Path) -> bool:
    return page in pages() or page.name == "architecture.md"


PAGES = {
    str(page.relative_to(REPOSITORY)): page.read_text(encoding="utf-8")
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
    if not _has_tests_of_its_own(page)
}
"""The Markdown of each page that somebody wrote; the generated ones have tests of their own."""

BLOCKS = [block for page, markdown in PAGES.items() for block in blocks_of(page, markdown)]
