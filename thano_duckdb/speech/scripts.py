"""Scripts that are written without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese and their kin.

Where words are counted or timed, a letter of such a script stands for a word. Korean has spaces, and words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_RANGES = (
    (0x0E01, 0x0E4E),  # Thai
    (0x0E81, 0x0ECF), (0x0EDC, 0x0EDF),  # Lao
    (0x1000, 0x103F), (0x104A, 0x108F), (0x109A, 0x109F),  # Burmese
    (0xA9E0, 0xA9EF), (0xA9FA, 0xA9FE), (0xAA60, 0xAA7F),
    (0x1780, 0x17DD),  # Khmer
    (0x1950, 0x19CF), (0x19DE, 0x19DF), (0x1A20, 0x1A7F), (0x1AA0, 0x1AAD),  # Tai Le, New Tai Lue, Tai Tham
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x302F), (0x3031, 0x3035), (0x3038, 0x303C),  # Chinese marks
    (0x3041, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F),  # kana, bopomofo
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF),  # Chinese characters
    (0xA000, 0xA48C),  # Yi
)  # fmt: skip
_FIRST_CHINESE = 0x3400
"""From here on the ranges hold letters only, too many to look at each."""
MARKS = "".join(
    chr(code)
    for first, last in ((0x0300, 0x036F), *_RANGES)
    if first < _FIRST_CHINESE
    for code in range(first, last + 1)
    if unicodedata.category(chr(code)).startswith("M")
)
UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last in _RANGES)
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
_UNIT = re.compile(f"(?![{MARKS}])[{UNSPACED}][{MARKS}]*|(?:[{MARKS}]|[^{UNSPACED}])+")


def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script without spaces between words."""
    return _HAS_UNSPACED.match(char) is not None


def units(text: str) -> list[str]:
    """The words of a text; each letter of a script without spaces, with its marks, is one of its own.

    >>> units("今天 iPhone手机 won"), units("ที่นี่")
    (['今', '天', 'iPhone', '手', '机', 'won'], ['ที่', 'นี่'])
    """
    if _HAS_UNSPACED.search(text) is None:
        return text.split()
    return [unit for word in text.split() for unit in _UNIT.findall(word)]


def joined(words: Iterable[str]) -> str:
    """The text that words make: with spaces between them, but none beside a letter of a script without spaces.

    >>> joined(["今", "天", "OK", "吗"]), joined(["all", "right"])
    ('今天OK吗', 'all right')
    """
    text = ""
    for word in words:
        is_apart = text and word and not (is_unspaced(text[-1]) or is_unspaced(word[0]))
        text += f" {word}" if is_apart else word
    return text
