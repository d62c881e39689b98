"""A language model of expected phrases for pocketsphinx, with room to reject what is none of them.

Bigrams of the phrases, so that any part, order or repetition of them is possible; beside them common English words and
single phones soak up other speech. Written in the ARPA format that pocketsphinx reads
(https://cmusphinx.github.io/wiki/arpaformat/).
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
).split()
OTHER_WORDS = (
    "a about after again all also an and another any are as at away back be because been before big but by call came "
    "can come could day did different do does down each end even every few find first for from get give go good great "
    "had hand has have he help her here high him his home house how i if important in into is it just keep kind know "
    "last left letter life like line little live long look made make man many may me mean month more most move much "
    "must my need never new next not now number of off old on one only open or other our out over own paper part "
    "people phone place play please point problem put read right run said same saw say school see seem send sentence "
    "set she should show small so some something start still stop story such take talk tell than that the their them "
    "then there these they thing think this those thought three through time to today together too try turn two "
    "under up us use very want was water way we week well went were what when where which while who why will with "
    "word work world would write year you young your red blue car city food money month"
).split()
PHONE_SHARE = 0.6
WORD_SHARE = 0.3
"""Shares of the unigram probability that go to what is not expected. Measured: see docs/local-speech.md."""
BACKOFF = 0.01
"""Probability of leaving a phrase in its middle."""
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def garbage_word(phone: str) -> str:
    """The name under which a single phone stands in the dictionary."""
    return f"garbage-{phone.lower()}"


def number_words(digits: str) -> list[str]:
    """How a run of digits is said: 0 to 99 as a number, longer ones digit by digit."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return [ONES[int(digit)] for digit in digits]
    value = int(digits)
    if value < len(ONES):
        return [ONES[value]]
    tens, ones = divmod(value, 10)
    return [TENS[tens - 2]] + ([ONES[ones]] if ones else [])


def phrase_words(phrase: str) -> list[str]:
    """The lower-case words of a phrase, digits in words."""
    words: list[str] = []
    for token in re.findall(r"[0-9]+|[^\W\d_]+(?:'[^\W\d_]+)*", phrase.lower().replace("’", "'")):
        words += number_words(token) if token.isascii() and token.isdigit() else [token]
    return words


def _log(probability: float) -> str:
    return f"{math.log10(probability):.4f}"


def language_model(phrases: Iterable[list[str]], is_known: Callable[[str], bool]) -> str:
    """The ARPA text for `phrases`. `is_known` says whether the dictionary has a word."""
    unigrams: Counter[str] = Counter()
    bigrams: Counter[tuple[str, str]] = Counter()
    followed: Counter[str] = Counter()
    for words in phrases:
        sentence = ["<s>", *words, "</s>"]
        unigrams.update(sentence[1:])
        for pair in pairwise(sentence):
            bigrams[pair] += 1
            followed[pair[0]] += 1
    others = [word for word in dict.fromkeys(OTHER_WORDS) if word not in unigrams and is_known(word)]
    expected_share = 1 - PHONE_SHARE - WORD_SHARE
    total = sum(unigrams.values())
    lines = [f"-99 <s> {_log(BACKOFF)}"]
    lines += [f"{_log(expected_share * count / total)} {word} {_log(BACKOFF)}" for word, count in unigrams.items()]
    lines += [f"{_log(WORD_SHARE / len(others))} {word} 0" for word in others]
    lines += [f"{_log(PHONE_SHARE / len(PHONES))} {garbage_word(phone)} 0" for phone in PHONES]
    pairs = [
        f"{_log((1 - BACKOFF) * count / followed[first])} {first} {second}"
        for (first, second), count in bigrams.items()
    ]
    header = ["\\data\\", f"ngram 1={len(lines)}", f"ngram 2={len(pairs)}", ""]
    return "\n".join([*header, "\\1-grams:", *lines, "", "\\2-grams:", *pairs, "", "\\end\\", ""])


def expected_only(words: list[str], expected: set[str], *, reject: bool) -> list[str]:
    """The expected words of a recognised utterance; with `reject`, none where most of it was something else.

    A decoder writes `<sil>` and `[NOISE]` for what is no word; they count as nothing.
    """
    spoken = [word for word in words if word[0] not in "<["]
    kept = [word for word in spoken if word in expected]
    return [] if reject and len(kept) <= len(spoken) - len(kept) else kept
