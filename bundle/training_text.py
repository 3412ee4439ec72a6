"""What people say to machines: letters, digits, dates, numbers and commands."""

from __future__ import annotations

import random
import string

_ONES = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_DIGITS = ["zero", "oh", *_ONES]
_MONTHS = "January February March April May June July August September October November December".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
).split()
_COMMANDS = "yes no stop start go help enter erase repeat cancel next back left right up down on off".split()


def spelling_and_numbers(rng: random.Random) -> str:
    """What people say to machines: letters, digits, dates, numbers, commands."""
    kind = rng.randrange(7)
    if kind <= 1:
        return ", ".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 7))) + "."
    if kind == 2:
        return " ".join(rng.choices(_DIGITS, k=rng.randint(1, 8)))
    if kind == 3:
        day = rng.choice(_ORDINALS)
        return rng.choice([f"{rng.choice(_MONTHS)} {day}, nineteen {_below_100(rng)}", f"{rng.choice(_MONTHS)} {day}"])
    if kind == 4:
        return rng.choice([_below_100(rng), f"{rng.choice(_ONES)} hundred and {_below_100(rng)}",
                           f"{_below_100(rng)} thousand {rng.choice(_ONES)} hundred"])  # fmt: skip
    if kind == 5:
        letters = ", ".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 4)))
        return f"{rng.choice(_COMMANDS)}, {letters}, {' '.join(rng.choices(_DIGITS, k=rng.randint(1, 4)))}"
    return " ".join(rng.choices(_COMMANDS, k=rng.randint(1, 4)))


def _below_100(rng: random.Random) -> str:
    number = rng.randint(1, 99)
    if number < 10:
        return _ONES[number - 1]
    if number < 20:
        return _TEENS[number - 10]
    tens = _TENS[number // 10 - 2]
    return f"{tens} {_ONES[number % 10 - 1]}" if number % 10 else tens
