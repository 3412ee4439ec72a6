"""The cards of what ships with the package, and the worked examples, as pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_BUNDLED = _ROOT / "thano_duckdb" / "models" / "bundled"
_FROM = "<!-- Written by `python -m docs_build` from {}: edit it there. -->\n\n"


def card_page(name: str) -> str:
    """The card of a model that ships with the package; links to another card lead to its page."""
    path = _BUNDLED / name / "README.md"
    text = path.read_text(encoding="utf-8")
    text = text.replace("](../english_language_model/README.md)", "](language-model-card.md)")
    text = text.replace("](../Wav2Vec2TinyEn/README.md)", "](small-model-card.md)")
    metadata = re.match(r"---\n.*?\n---\n", text, re.DOTALL)
    text = text[metadata.end() :].lstrip("\n") if metadata else text
    return _FROM.format(path.relative_to(_ROOT)) + text


def examples_page() -> str:
    """All scripts of `sql/` but the macros, which are the package's own."""
    lines = ["# Worked examples", "", _FROM.format("the scripts in sql/").rstrip("\n"), ""]
    lines += ["Each of these scripts is run by a test. `thano_duckdb my.duckdb -f script.sql` runs one.", ""]
    for path in sorted((_ROOT / "sql").glob("*.sql")):
        if path.name != "macros.sql":
            lines += [f"## {path.name}", "", "```sql", path.read_text(encoding="utf-8").rstrip("\n"), "```", ""]
    return "\n".join(lines)
