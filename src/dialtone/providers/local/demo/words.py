"""Comparing what a caller said, as a recogniser misheard it, with the words of a tool."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

STOP_WORDS = frozenset(
    "a an and are as at be by can could do does for from get have how i in is it its like me my need of on or our "
    "please some that the their them then there this to us use used want we what when where which who will with would "
    "you your caller user customer call tool function given number".split()
)
SAME_MEANING = (
    {"book", "booking", "reserve", "reservation", "appointment", "schedule", "arrange"},
    {"cancel", "cancellation", "delete", "remove"},
    {"find", "search", "look", "lookup", "check", "show", "tell", "know"},
    {"order", "buy", "purchase"},
    {"transfer", "connect", "human", "person", "agent", "colleague", "operator", "someone", "somebody"},
    {"weather", "forecast", "temperature"},
    {"change", "move", "reschedule", "update", "modify"},
    {"people", "persons", "guests", "party", "seats"},
)
SIMILAR = 0.8
"""Share of common letters from which two words count as the same, misheard."""


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers; `book_table` and `bookTable` are two words each."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text.replace("_", " "))
    return re.findall(r"\d+\.\d+|[^\W_]+(?:['’][^\W_]+)*", spaced.lower())


def telling_words(text: str) -> list[str]:
    """The words of `text` that say what it is about."""
    return [word for word in words_of(text) if word not in STOP_WORDS and len(word) > 2]


def alike(said: str, meant: str) -> bool:
    """Whether a caller who said `said` may have meant `meant`."""
    if said == meant or any(said in group and meant in group for group in SAME_MEANING):
        return True
    if min(len(said), len(meant)) < 4:
        return False
    return said.startswith(meant) or meant.startswith(said) or SequenceMatcher(None, said, meant).ratio() >= SIMILAR


def mentions(said: Iterable[str], meant: str) -> bool:
    return any(alike(word, meant) for word in said)


def says_any(text: str, phrases: Iterable[str]) -> bool:
    """Whether one of `phrases` occurs in `text` as whole words."""
    plain = f" {' '.join(words_of(text))} "
    return any(f" {phrase} " in plain for phrase in phrases)
