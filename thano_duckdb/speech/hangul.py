"""Korean letters (jamo) in their three encodings: in syllables, conjoining, and for compatibility.

A syllable such as 안 has one code point, or a conjoining jamo for each of its letters (U+1100 to U+11FF, which NFC
composes), or a compatibility jamo for each (ㅇㅏㄴ, U+3131 to U+3163, which no Unicode normalisation composes).
"""

from __future__ import annotations

import re
import unicodedata

_LEADING, _VOWEL, _TRAILING = 0x1100, 0x1161, 0x11A8  # the first conjoining jamo of each kind
_N_VOWELS, _N_ENDS = 21, 28  # an end is a trailing consonant or none
_FIRST_SYLLABLE = 0xAC00


def _letter(jamo: str) -> str:
    """The compatibility jamo of a conjoining one: their names end alike."""
    return unicodedata.lookup(f"HANGUL LETTER {unicodedata.name(jamo).split()[-1]}")


def _numbers(first: int, n: int) -> dict[str, int]:
    return {_letter(chr(first + number)): number for number in range(n)}


_LEADING_NUMBER = _numbers(_LEADING, 19)
_VOWEL_NUMBER = _numbers(_VOWEL, _N_VOWELS)
_TRAILING_NUMBER = _numbers(_TRAILING, _N_ENDS - 1)


def _consonants(cluster: str) -> str:
    """The two consonants of a cluster, ㄱㅅ of ㄳ; any other letter itself."""
    names = unicodedata.name(cluster).removeprefix("HANGUL LETTER ").split("-")
    return "".join(unicodedata.lookup(f"HANGUL LETTER {name}") for name in names)


_CLUSTER = {letters: cluster for cluster in _TRAILING_NUMBER if (letters := _consonants(cluster)) != cluster}
_VOWELS = "".join(_VOWEL_NUMBER)
_SYLLABLE = re.compile(
    f"([{''.join(_LEADING_NUMBER)}])([{_VOWELS}])"
    f"(?:({'|'.join(_CLUSTER)}|[{''.join(_TRAILING_NUMBER)}])"
    f"(?![{_VOWELS}]))?"  # a consonant before a vowel begins the next syllable
)
_HALFWIDTH = re.compile("[\uffa1-\uffdc]")


def compose(text: str) -> str:
    """Write compatibility jamo as syllables, as they are typed; letters that make no syllable stay.

    >>> compose("ㅇㅏㄴㄴㅕㅇ"), compose("ㅇㅓㅂㅅㄷㅏ"), compose("ㅋㅋ")
    ('안녕', '없다', 'ㅋㅋ')
    """
    return _SYLLABLE.sub(_composed, _HALFWIDTH.sub(_full_width, text))


def compatibility_jamo(char: str) -> tuple[str, ...]:
    """The spellings of a syllable, or of a conjoining jamo, in compatibility jamo, the best one first; none of others.

    The second one has no clusters: `없` is ㅇㅓㅄ or ㅇㅓㅂㅅ.
    """
    jamo = unicodedata.normalize("NFD", char)
    if not all("\u1100" <= each <= "\u11ff" for each in jamo):
        return ()
    try:
        letters = [_letter(each) for each in jamo]
    except KeyError:  # an old letter
        return ()
    return "".join(letters), "".join(map(_consonants, letters))


def _full_width(match: re.Match[str]) -> str:
    decomposition = unicodedata.decomposition(match[0])  # such as `<narrow> 3131`
    return chr(int(decomposition.split()[-1], 16)) if decomposition else match[0]


def _composed(match: re.Match[str]) -> str:
    leading, vowel, end = match.groups()
    end_number = 1 + _TRAILING_NUMBER[_CLUSTER.get(end, end)] if end else 0
    number = (_LEADING_NUMBER[leading] * _N_VOWELS + _VOWEL_NUMBER[vowel]) * _N_ENDS + end_number
    return chr(_FIRST_SYLLABLE + number)
