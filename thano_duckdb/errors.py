"""The errors and warnings that users see: one tree, each message one readable sentence with the remedy.

Importing this module costs nothing, and every other module may do so. Messages never hold a password or a signature.
"""

from __future__ import annotations

from collections import Counter

from .masking import mask_secrets, mask_url


class ThanoError(Exception):
    """Anything that this package refuses or cannot do. Its message says what, where, and what to do about it.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect()
        >>> try:
        ...     con.sql("DELETE MODEL nobody")
        ... except thano_duckdb.ThanoError as error:
        ...     print(type(error).__name__)
        RegistryError
        >>> con.close()
    """

    def __init__(self, message: str = "") -> None:
        """Take the message: its secrets are masked, and line ends in a name or path become spaces."""
        super().__init__(mask_secrets(on_one_line(message)))


class DialectError(ThanoError):
    """One of our statements that is wrong, with the position of the mistake in the text.

    Attributes:
        problem: the sentence without the position.
        line: of the mistake, from 1.
        column: of the mistake, in characters, from 1.

    Example:
        >>> import thano_duckdb
        >>> thano_duckdb.rewrite("PREDICT USING m OPTIONS (includ='error') AS FROM calls")
        Traceback (most recent call last):
            ...
        thano_duckdb.errors.DialectError: PREDICT has no option 'includ'. Did you mean 'include'? (line 1, column 26)
        PREDICT USING m OPTIONS (includ='error') AS FROM calls
                                 ^
    """

    def __init__(self, problem: str, sql: str, offset: int) -> None:
        """Point at the character `offset` of `sql`."""
        super().__init__(problem)
        self.problem = str(self)
        self.line = sql.count("\n", 0, offset) + 1
        self.column = offset - sql.rfind("\n", 0, offset)
        shown, shown_before = mask_secrets(sql), mask_secrets(sql[:offset])
        line_start = shown_before.rfind("\n") + 1
        line_text, at = shown[line_start:].split("\n", 1)[0].rstrip("\r"), len(shown_before) - line_start
        line_text, before_caret = _excerpt(line_text, at)
        # A tab before the caret stays a tab, so that the two lines keep their alignment.
        caret = "".join("\t" if char == "\t" else " " for char in line_text[:before_caret]) + "^"
        self.args = (f"{self.problem} (line {self.line}, column {self.column})\n{line_text}\n{caret}",)


def _excerpt(line: str, at: int) -> tuple[str, int]:
    """At most about 200 characters of a line around the character `at`, and where that character is in them."""
    if len(line) <= _LINE_LENGTH:
        return line, at
    start = min(max(0, at - _LINE_LENGTH // 2), len(line) - _LINE_LENGTH)
    before, after = "..." if start else "", "..." if start + _LINE_LENGTH < len(line) else ""
    return f"{before}{line[start : start + _LINE_LENGTH]}{after}", at - start + len(before)


_LINE_LENGTH = 200


class ModelError(ThanoError):
    """A model that is unknown, cannot be obtained, or cannot be loaded.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect()
        >>> con.sql("SELECT thano_transcribe('Wav2Vec2TinyEm', 'a.wav')").fetchall()
        Traceback (most recent call last):
            ...
        thano_duckdb.errors.ModelError: there is no model 'Wav2Vec2TinyEm'. Did you mean 'Wav2Vec2TinyEn'? ...
        >>> con.close()
    """


class HubUnavailableError(ModelError):
    """A model that is not in the hub's local cache, where the hub cannot be used.

    Attributes:
        why: why the hub cannot be used, as a clause.
    """

    def __init__(self, message: str, why: str = "") -> None:
        """Take the whole message, and the reason by itself."""
        self.why = why
        super().__init__(message)


class OpenVinoError(ModelError):
    """A model that OpenVINO cannot run, or not on this machine; torch can."""


class LanguageError(ModelError):
    """A language that a model of many languages does not have."""


class RegistryError(ModelError):
    """A refused change of the models on disk: the name is taken, unknown, or not valid.

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect()
        >>> con.sql("DELETE MODEL nobody")
        Traceback (most recent call last):
            ...
        thano_duckdb.errors.RegistryError: there is no model 'nobody' to delete...
        >>> con.close()
    """


class ModelInUseError(RegistryError):
    """Another process is building the same model at this moment."""


class AudioError(ThanoError):
    """Audio that is refused: a column that holds none, files that the database may not read, a folder without any.

    A single clip that cannot be read is NULL instead, unless a statement stops at the first one (`on_error='fail'`).

    Example:
        >>> import thano_duckdb
        >>> con = thano_duckdb.connect()
        >>> predict = "PREDICT USING Wav2Vec2TinyEn OPTIONS (on_error='fail') AS SELECT 'lost.wav' AS audio_path"
        >>> con.sql(predict).fetchall()
        Traceback (most recent call last):
            ...
        thano_duckdb.errors.AudioError: lost.wav: No such file: ...
        >>> con.close()
    """


class ClusterUnavailableError(ThanoError):
    """There is no Ray cluster, or it cannot be used."""


class Cancelled(ThanoError):  # noqa: N818 - not a failure: the user asked to stop
    """The statement was interrupted while the engine was at work."""


class ThanoWarning(UserWarning):
    """Something unexpected that is no error: ignored options, failed clips, a model that stands in for another.

    Example:
        >>> import thano_duckdb, warnings
        >>> con = thano_duckdb.connect()
        >>> predict = "PREDICT USING Wav2Vec2TinyEn OPTIONS (epochs=3) AS SELECT NULL AS audio_path"
        >>> with warnings.catch_warnings(action="error", category=thano_duckdb.ThanoWarning):  # stop at any warning
        ...     con.sql(predict).fetchall()
        Traceback (most recent call last):
            ...
        thano_duckdb.errors.ThanoWarning: PREDICT ignores the option 'epochs' (line 1, column 39)
        >>> con.close()
    """


def on_one_line(message: str) -> str:
    """A message with spaces in place of its line ends, which come from names and paths within it."""
    return " ".join(message.splitlines())


def brief(text: str) -> str:
    """A text of any length and number of lines as a message of one line shows it, in quotes: its own if it has some.

    >>> print(brief("rec"), brief("'rec'"))
    'rec' 'rec'
    """
    line = " ".join(mask_url(text).split())
    if len(line) > 60:
        line = f"{line[:57]}..."
    return line if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"" else f"'{line}'"


def brief_location(location: str, max_chars: int = 200) -> str:
    """A path or URL of any length as messages show it: on one line, masked, its middle cut out where it is long.

    >>> brief_location("a" * 500, max_chars=9)
    'aaa...aaa'
    """
    location = mask_url(location)
    if len(location) > max_chars:
        half = (max_chars - 3) // 2
        location = f"{location[:half]}...{location[-half:]}"
    return "".join(char if char.isprintable() else " " for char in location)


def located(location: str, reason: str) -> str:
    """`location: reason`, as messages show it; the reason alone where there is no location, as of an empty path.

    >>> located("", "The path is empty.")
    'The path is empty.'
    """
    return f"{brief_location(location)}: {reason}" if location.strip() else reason


N_NAMED_CHARACTERS = 10


def named_characters(characters: Counter[str]) -> str:
    """The most frequent of some characters, and how often each occurs.

    >>> named_characters(Counter("255"))
    "'5' (2), '2' (1)"
    """
    most = ", ".join(f"{char!r} ({count})" for char, count in characters.most_common(N_NAMED_CHARACTERS))
    n_more = len(characters) - N_NAMED_CHARACTERS
    return f"{most} and {n_more} more" if n_more > 0 else most


def counted(n: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "sample"), counted(1200, "sample")
    ('1 sample', '1,200 samples')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


NEAR_COLUMN = 0.6
"""How alike names of columns must be: `audio` is near `audio_path`."""


def did_you_mean(name: str, known: list[str], *, nearness: float = 0.7) -> str:
    """` Did you mean 'x'?` with the nearest of `known`, or an empty text where none is near.

    `nearness` is how alike the two must be, from 0 to 1.
    """
    import difflib

    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=nearness)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""
