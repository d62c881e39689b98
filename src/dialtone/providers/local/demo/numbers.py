"""Numbers as callers say them."""

import re
from collections.abc import Sequence

ONES = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
TENS = {
    word: value
    for value, word in zip(
        range(20, 100, 10), "twenty thirty forty fifty sixty seventy eighty ninety".split(), strict=True
    )
}
SCALES = {"hundred": 100, "thousand": 1000}
DIGITS = {word: str(value) for word, value in ONES.items() if value < 10} | {"oh": "0", "o": "0"}


def _words_value(words: Sequence[str]) -> tuple[int, int] | None:
    """Value and length in words of the number at the start of `words`."""
    total = current = used = 0
    last = ""
    for index, word in enumerate(words):
        if word in ONES and last in ("", "tens", "scale"):
            current += ONES[word]
            last = "ones"
        elif word in TENS and last in ("", "scale"):
            current += TENS[word]
            last = "tens"
        elif word in SCALES and last in ("ones", "tens"):
            current *= SCALES[word]
            if SCALES[word] == 1000:
                total, current = total + current, 0
            last = "scale"
        elif word == "and" and last == "scale":
            continue
        else:
            break
        used = index + 1
    return (total + current, used) if used else None


def find_numbers(words: Sequence[str]) -> list[tuple[float, int, int]]:
    """Every number in `words`, as (value, index of its first word, index after its last)."""
    found: list[tuple[float, int, int]] = []
    index = 0
    while index < len(words):
        if re.fullmatch(r"\d{1,15}(\.\d{1,6})?", words[index]):
            found.append((float(words[index]), index, index + 1))
            index += 1
        elif (value := _words_value(words[index:])) is not None:
            found.append((float(value[0]), index, index + value[1]))
            index += value[1]
        else:
            index += 1
    return found


def find_digits(words: Sequence[str]) -> str | None:
    """The digits of a telephone or order number, said one by one or written; None for fewer than three."""
    digits = "".join(DIGITS.get(word, word if word.isascii() and word.isdigit() else "") for word in words)
    return digits if len(digits) >= 3 else None
