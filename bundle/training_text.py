"""Texts to train the small model on: prose, examples, everyday sentences, numbers, phrases, single words."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from pathlib import Path

MAX_CHARS = 95
"""The longest text: about six seconds of speech, so that batches on a CPU stay small."""
MIN_CHARS = 20
_CLAUSE_END = re.compile(r"(?<=[,;:.?!])\s+|\s+(?=[\"(])|\u2014\s*")
_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_QUOTED = re.compile(r'"([^"]+)"')
_SPEAKABLE = re.compile(r"[A-Za-z][A-Za-z',;:.?! -]*[A-Za-z.?!]")


def read_prose(path: Path) -> Iterator[str]:
    """Texts from a file of sentences or paragraphs, one per line; long ones are split into clauses.

    Omitted are very short pieces, and those with digits or accents, which are not always pronounced as written.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        for piece in _clauses(line.strip().translate(_STRAIGHT)):
            if len(piece) >= MIN_CHARS and piece.isascii() and not any(map(str.isdigit, piece)):
                yield piece


def read_examples(wordnet: Path) -> Iterator[str]:
    """WordNet's example sentences, then its definitions, if pronounced as spelt and at most `MAX_CHARS` long.

    Source: the glosses of data.noun, data.verb, data.adj and data.adv, after the bar (manual page wndb(5WN)).
    """
    glosses = [
        line.split("|", 1)[1].strip()
        for name in ("noun", "verb", "adj", "adv")
        for line in (wordnet / f"data.{name}").read_text(encoding="utf-8").splitlines()
        if "|" in line
    ]
    examples = (example for gloss in glosses for example in _QUOTED.findall(gloss))
    definitions = (gloss.split('"')[0].rstrip("; ") for gloss in glosses)
    for text in dict.fromkeys([*examples, *definitions]):
        if MIN_CHARS <= len(text) <= MAX_CHARS and _SPEAKABLE.fullmatch(text):
            yield text


def _clauses(sentence: str) -> Iterator[str]:
    piece = ""
    for clause in _CLAUSE_END.split(sentence):
        if piece and len(piece) + 1 + len(clause) > MAX_CHARS:
            yield piece
            piece = ""
        piece = f"{piece} {clause}".strip()
    yield piece


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


def loose_words(rng: random.Random, words: list[str]) -> str:
    """Words in random order: sounds that cannot be guessed from a sentence."""
    return " ".join(rng.sample(words, k=rng.randint(1, 6)))


_FUNCTION_WORDS = (
    "the|the|the|a|a|an|of|of|to|to|and|and|in|in|is|was|it|for|on|with|as|at|by|from|his|her|my|our|your|their|this|that|"
    "but|not|are|were|had|has|have|be|been|or|if|so|all|one|no|there|when|who|will|would|can|could|them|him|me|us|into|"
    "out|up|over|under|behind|before|after|until|very|too|than|then|some|any|every|each|more|most|did|do|does"
).split("|")


def phrases(rng: random.Random, words: list[str]) -> str:
    """Words in random order among function words, to learn where a word ends and the next begins."""
    pieces = []
    for word in rng.sample(words, k=rng.randint(2, 6)):
        pieces += [*rng.sample(_FUNCTION_WORDS, k=rng.choice([0, 1, 1, 1, 2])), word]
    return " ".join(pieces)


_SUBJECTS = (
    "I|we|you|they|she|he|my sister|my brother|our neighbor|the teacher|the children|the doctor|her friend|his mother|"
    "the driver|the old man|the young woman|the waiter|the captain|the students|everybody|nobody|someone|the farmer|"
    "my father|your cousin|the girl|the boy|the people next door|the visitors"
).split("|")
_VERBS = (
    "found|lost|bought|sold|painted|carried|washed|cleaned|opened|closed|broke|fixed|forgot|remembered|saw|heard about|"
    "wanted|needed|liked|loved|asked for|looked at|talked about|thought about|waited for|paid for|brought|took|"
    "could not find|did not see|never used|always liked|will need|would like|has kept|had hidden|used to have"
).split("|")
_OBJECTS = (
    "the bread|a cup of coffee|a glass of water|the blue door|the yellow bus|a small bird|the big dog|the white cat|"
    "the garden|the kitchen table|a new chair|the old house|the green apple|some fresh fruit|the milk|an egg|the soup|"
    "the letter|a long book|the newspaper|the radio|the telephone|a warm jacket|the red shoes|a black hat|the keys|"
    "the bicycle|a fast train|the boat|the bridge|the river|the mountain|a quiet street|the market|the music|a song|"
    "the picture|a beautiful flower|the window|the answer|the question|an umbrella|the ticket|a map|the rain|the snow|"
    "the moon|the stars|a good idea|the problem|the money|the doctor's office|the school|the library|the piano"
).split("|")
_ADVERBIALS = (
    "in the morning|after lunch|before dinner|every day|last night|next week|on Monday|on Sunday afternoon|yesterday|"
    "tomorrow|near the station|at home|in the city|by the lake|behind the house|under the bridge|on the corner|"
    "across the street|at the airport|in the summer|in winter|two hours ago|for three days|at eight o'clock|"
    "with a smile|without a word|very slowly|as soon as possible|again and again|at the end of the road|"
    "in front of the shop|on the second floor|upstairs|outside"
).split("|")
_SUBORDINATE_CLAUSES = (
    "because it was raining|because there was nothing else to do|so we stayed at home|but nobody noticed|"
    "and then went to sleep|while the water was boiling|when the phone rang|if the weather is good|"
    "although it was very late|until the sun came up|and everyone laughed|but it was too expensive|"
    "since the shop was closed|before the train left"
).split("|")
_QUESTIONS = (
    "Where did you put|Can you please bring me|How much is|What happened to|Who took|Have you seen|Do you know|"
    "Why don't you like|When will we get|Would you like|Could I borrow|Let's talk about|Don't forget|"
    "Please remember|Thank you for|I'm sorry about|Is this|That's not|Tell me more about|There is nothing wrong with"
).split("|")


def everyday(rng: random.Random) -> str:
    """A sentence of everyday words, which does not always make sense."""
    if rng.random() < 0.3:
        return f"{rng.choice(_QUESTIONS)} {rng.choice(_OBJECTS)} {rng.choice(_ADVERBIALS)}?"
    sentence = f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}"
    if rng.random() < 0.7:
        sentence += f" {rng.choice(_ADVERBIALS)}"
    if rng.random() < 0.3:
        sentence += f" {rng.choice(_SUBORDINATE_CLAUSES)}"
    return sentence[0].upper() + sentence[1:] + "."
