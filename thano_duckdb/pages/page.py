"""A page: self-contained HTML, for the output of a notebook or a file."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, repr=False)
class Page:
    """What a notebook shows and `save` writes to a file. It contains no script, and loads nothing.

    Attributes:
        html: one element with its own style sheet.
        summary: what a terminal shows instead.
    """

    html: str
    summary: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an HTML document that any browser shows, without a network."""
        document = _environment().get_template("document.html")
        Path(path).write_text(document.render(title=self.summary, body=Markup(self.html)), encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.summary}

    def __repr__(self) -> str:
        return self.summary


def render(template: str, summary: str, **values: Any) -> Page:
    """Render a template of `templates/` as a page; every value is escaped."""
    return Page(_environment().get_template(template).render(summary=summary, **values), summary)


def count(n: int, noun: str) -> str:
    """`1 clip`, `2,000 clips`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "percent": _percent, "duration": _duration}
    return environment


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _duration(seconds: float) -> str:
    """`0.84 s`, `12.3 s`, `3:05`, `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
