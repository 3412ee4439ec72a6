"""The generated pages, and where they are."""

from __future__ import annotations

from pathlib import Path

from docs_build.cards_page import card_page, examples_page
from docs_build.options_page import options_page
from docs_build.python_page import python_page

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def pages() -> dict[Path, str]:
    """The Markdown of each generated page."""
    return {
        FOLDER / "options.md": options_page(),
        FOLDER / "python.md": python_page(),
        FOLDER / "small-model-card.md": card_page("Wav2Vec2TinyEn"),
        FOLDER / "language-model-card.md": card_page("english_language_model"),
        FOLDER / "examples.md": examples_page(),
    }


def write_pages() -> None:
    """Write those that have changed."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
