"""The page of an EXPLAIN: lines of text, whose spaces and boxes matter."""

from __future__ import annotations

from .page import Page, render


def explanation(text: str) -> Page:
    """A page that shows `text` as it is."""
    return render("explanation.html", text, text=text)
