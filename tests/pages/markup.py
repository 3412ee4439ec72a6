"""What a browser would find in a page, by the standard library's parser."""

from __future__ import annotations

from html.parser import HTMLParser

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
_TAGS = """html head em meta title style body div p span b table thead tbody tr th td dl dt dd code svg path text circle
audio"""
_ATTRIBUTES = """class style title src controls preload viewbox preserveaspectratio role aria-label d x y cx cy r
text-anchor colspan lang charset name content"""
TAGS, ATTRIBUTES = frozenset(_TAGS.split()), frozenset(_ATTRIBUTES.split())


class Markup(HTMLParser):
    """Elements with their attributes, in order, and the text between them.

    Attributes:
        elements: (tag, attributes).
        words: texts of the elements of class `thano-hypothesis` in the table.
        text: all text but styles.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag == "style":
            return
        self.text += data
        in_table = any(each == "tbody" for each, _ in self.elements)
        if in_table and attributes.get("class") == "thano-hypothesis" and data.strip():
            self.words.append(data)

    @property
    def sounds(self) -> list[str]:
        """The URIs of the players."""
        return [attributes["src"] for tag, attributes in self.elements if tag == "audio"]


def is_inert(html: str) -> bool:
    """Whether a page holds nothing but our own elements and attributes, and nothing from elsewhere."""
    return all(
        tag in TAGS
        and attributes.keys() <= ATTRIBUTES
        and attributes.get("src", "data:audio/").startswith("data:audio/")
        for tag, attributes in Markup(html).elements
    )
