"""Reads the keywords, names and files of one of our statements, token by token, and points at what is wrong."""

from __future__ import annotations

from duckdb import token_type

from thano_duckdb.errors import DialectError, brief, did_you_mean
from thano_duckdb.model_name import NAME_RULE, is_name, split_version

from .lexer import Token, Tokens
from .nodes import Name
from .span import Span

_QUOTES = ("'", '"')


class TokenReader:
    """A position among the tokens of a text, and the ways to read on from there.

    Attributes:
        tokens: the tokens.
        index: the next one.
        word: the next one in lower case, to compare with a keyword; empty where the statement ends.
    """

    def __init__(self, tokens: Tokens, index: int) -> None:
        self.tokens = tokens
        self._start = tokens.starts[index]
        self._move_to(index)

    def _move_to(self, index: int) -> None:
        word = self.tokens.word(index)
        self.index = index
        self.word = "" if word == ";" else word

    @property
    def at_end(self) -> bool:
        """Whether the statement ends here."""
        return not self.word

    @property
    def token(self) -> Token:
        """The next token.

        Raises:
            DialectError: the statement ends here.
        """
        if self.at_end:
            raise self.error("The statement ends too early")
        return self.tokens[self.index]

    @property
    def here(self) -> int:
        """Where the next token starts, or where the last one ends at the end of the statement."""
        return self.tokens.end(self.index - 1) if self.at_end else self.tokens.starts[self.index]

    @property
    def shown(self) -> str:
        """The next token as messages show it."""
        return "the end of the statement" if self.at_end else brief(self.tokens.texts[self.index])

    def error(self, problem: str, offset: int | None = None) -> DialectError:
        """What to raise for a problem at `offset`, by default at the next token."""
        if self.tokens.is_open and offset is None and self.index >= len(self.tokens) - 1:
            return never_closed(self.tokens)
        return DialectError(problem, self.tokens.sql, self.here if offset is None else offset)

    def skip(self, count: int = 1) -> None:
        """Move on by `count` tokens."""
        self._move_to(self.index + count)

    def span(self) -> Span:
        """From where this reader began to the end of the last token read."""
        return Span(self._start, self.tokens.end(self.index - 1))

    def expect(self, keyword: str, problem: str) -> None:
        """Read a keyword or sign.

        Raises:
            DialectError: the next token is another.
        """
        if self.word != keyword.lower():
            near = did_you_mean(self.word, [keyword]) if self.word.isidentifier() else ""
            raise self.error(f"{problem}, not {self.shown}.{near}")
        self.skip()

    def expect_end(self) -> None:
        """Make sure that the statement ends here.

        Raises:
            DialectError: it does not.
        """
        if not self.at_end:
            raise self.error(f"Unexpected {self.shown} at the end of the statement")

    def model(self, after: str) -> Name:
        """Read the model after the keyword `after`: a name, `name@2`, or anything in quotes (a folder, `hf://owner/name`).

        Raises:
            DialectError: there is none, or it is not written as one.
        """
        if self.is_quoted():
            return self.quoted("model")
        name = self._unspaced("A model", after)
        if name.text.lower() == "model" and (meant := self._second_name()):
            raise self.error(f"MODEL is not written here: write {after} {meant}, without MODEL", name.span.start)
        if not is_name(split_version(name.text)[0]):
            problem = f"{brief(name.text)} is not a model's name"
            wanted = (
                "write name or name@2 (2 is its version), and a path or an address in quotes: USING 'hf://owner/name'"
            )
            raise self.error(f"{problem}: {wanted}", name.span.start)
        return name

    def _second_name(self) -> str:
        """The name or text in quotes that stands before OPTIONS or AS, as written; empty where these are next."""
        index = self.index
        if self.is_quoted():
            return self.token.text
        if not self.word.isidentifier() or self.word in ("as", "options"):
            return ""
        text = self._unspaced("A model", "MODEL").text
        is_model = self.word in ("as", "options")
        self._move_to(index)
        return text if is_model else ""

    def name(self, what: str, after: str, *, with_version: bool = False) -> Name:
        """Read the name of a model or a data set, bare or in quotes; `with_version` one like `name@2` too.

        Raises:
            DialectError: there is none, or it is not an identifier.
        """
        name = self.quoted(what) if self.is_quoted() else self._unspaced(f"The {what}'s name", after)
        text = split_version(name.text)[0] if with_version else name.text
        check_name(text, self.tokens.sql, name.span.start)
        return name

    def table(self) -> Name:
        """Read the name of a table, with its schema and catalog if given; its text stays as written."""
        start = self.index
        self.skip()
        while self.word == ".":
            self.skip(2)
        self._move_to(min(self.index, len(self.tokens)))
        text = "".join(self.tokens.texts[start : self.index])
        return Name(text, Span(self.tokens.starts[start], self.tokens.end(self.index - 1)))

    def quoted(self, what: str) -> Name:
        """Read a text in quotes, such as a path.

        Raises:
            DialectError: it is not in plain quotes, never closed, or empty.
        """
        if not self.is_quoted():
            raise self.error(f"The {what} is written in quotes ('..'), not as {self.shown}")
        token = self.token
        text = self.string()
        if not text:
            raise self.error(f"The {what} is empty", token.start)
        return Name(text, Span(token.start, token.end))

    def is_quoted(self) -> bool:
        """Whether a text in plain quotes of either kind is next; not E'..' and the like, nor $$..$$."""
        return self.word.startswith(_QUOTES)

    def _unspaced(self, what: str, after: str) -> Name:
        """All tokens up to the next space: DuckDB's lexer cuts my-model.v2@3 into seven."""
        before_options = self.word == "options" and self.tokens.word(self.index + 1) == "("
        if self.at_end or before_options or self.word in ("(", ")", "using", "as", "from"):
            raise self.error(f"{what} is missing after {after}")
        if self.word in ("?", "$"):
            raise self.error(f"{what} is written in the text itself: a parameter cannot follow {after}")
        start = end = self.here
        while not self.at_end and self.here == end and self.word not in ("(", ")"):
            end = self.token.end
            self.skip()
        return Name(self.tokens.sql[start:end], Span(start, end))

    def string(self) -> str:
        """Read a text in quotes; a quote within it is doubled, and a backslash is an ordinary character.

        Raises:
            DialectError: it is never closed.
        """
        token = self.token
        if self.tokens.is_open and self.index == len(self.tokens) - 1:
            raise never_closed(self.tokens)
        self.skip()
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)


def never_closed(tokens: Tokens) -> DialectError:
    """What to raise for the string, quoted name or comment that runs to the end of the text."""
    last = tokens[len(tokens) - 1]
    what = "comment" if last.kind is token_type.comment else "name" if last.text.startswith('"') else "string"
    return DialectError(f"This {what} is never closed", tokens.sql, last.start)


def check_name(name: str, sql: str, offset: int) -> None:
    """Refuse what cannot name a model or a data set.

    Raises:
        DialectError: `name` is not an identifier; it points at `offset`.
    """
    if not is_name(name):
        raise DialectError(f"{brief(name)} is not a name: names are identifiers, not paths ({NAME_RULE})", sql, offset)
