"""Brings transcripts to the form in which the word error rate compares them, many at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from . import hangul
from .scripts import MARKS, UNSPACED

# What people and word processors write for an apostrophe: the single quotation marks, the modifier letter, the prime
# and the grave accent. (NFKC takes care of the full-width one.)
APOSTROPHES = "\u2018\u2019\u201b\u02bc\u2032`"
ACUTE = "\u00b4"  # separate, because NFKC turns it into a space and a combining accent

# What Unicode calls default ignorable: soft hyphen, zero-width space and joiners, directional marks, variation
# selectors, byte order mark and the like. Nobody sees them, so they must not cut a word.
INVISIBLE = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)

# RE2, the engine behind Arrow, has no look-around, so the neighbour of an apostrophe is matched too and put back.
_NOT_IN_A_WORD = r"[^\p{L}\p{M}\p{Nd}\x{3007}']+"  # U+3007 is the Chinese zero
_QUOTE_AFTER = rf"(^|[^\p{{L}}\p{{M}}]|[{UNSPACED}][{MARKS}]*)'+"
_QUOTE_BEFORE = rf"'+($|[^\p{{L}}]|[{UNSPACED}])"
_COMPATIBILITY_JAMO = "[\u3131-\u3163\uffa1-\uffdc]"

LOCALES = ("tr", "az")
"""Languages in which `I` is the capital of the dotless `\u0131`, and `i` has a dotted capital."""


def normalize(texts: pa.Array, *, locale: str | None = None) -> pa.StringArray:
    """Bring transcripts to the form in which they are compared.

    The steps, in this order:

    1. invisible characters vanish (soft hyphens, zero-width spaces, directional marks); a free-standing acute accent
       becomes an apostrophe; Korean compatibility jamo become syllables; then Unicode NFKC, which composes other jamo;
    2. lower case, character by character (a final capital sigma becomes a medial small one; `I` as `locale` says), and
       NFKC again, because a small letter may have a composed form that the capital lacks;
    3. typographic apostrophes (U+2018, U+2019, U+201B, U+02BC, U+2032, and the grave accent) become `'`;
    4. everything except letters, marks, decimal digits, the Chinese zero and `'` becomes a space;
    5. an apostrophe that is not between letters becomes a space: it is a quotation mark, or not part of a word. Letters
       of scripts without spaces between words (see `scripts`) do not count: each is a word, and has no apostrophe;
    6. several spaces become one, and spaces at both ends are removed.

    `normalize(normalize(x)) == normalize(x)`.

    Args:
        texts: (n,) strings; NULL stays NULL.
        locale: one of `LOCALES`, or None for all other languages.

    Returns:
        (n,) strings.
    """
    texts = texts.cast(pa.string())
    if pc.all(pc.string_is_ascii(texts)).as_py():  # no accents to compose, as in most English corpora
        texts = pc.utf8_lower(_small_i(texts) if locale in LOCALES else texts)
    else:
        texts = pc.replace_substring_regex(texts, INVISIBLE, "")
        if pc.any(pc.match_substring_regex(texts, _COMPATIBILITY_JAMO)).as_py():
            texts = pa.array([text and hangul.compose(text) for text in texts.to_pylist()], pa.string())
        texts = pc.utf8_normalize(pc.replace_substring(texts, ACUTE, "'"), "NFKC")
        if locale in LOCALES:
            texts = _small_i(texts)
        texts = pc.utf8_normalize(pc.utf8_lower(texts), "NFKC")
    texts = pc.replace_substring_regex(texts, f"[{APOSTROPHES}]", "'")
    texts = pc.replace_substring_regex(texts, _NOT_IN_A_WORD, " ")
    if pc.any(pc.match_substring(texts, "'")).as_py():
        texts = pc.replace_substring_regex(texts, _QUOTE_AFTER, r"\1 ")
        texts = pc.replace_substring_regex(texts, _QUOTE_BEFORE, r" \1")
        texts = pc.replace_substring_regex(texts, " +", " ")
    return pc.utf8_trim(texts, " ")


def _small_i(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(pc.replace_substring(texts, "I", "\u0131"), "\u0130", "i")
