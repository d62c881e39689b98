"""Cuts a language model's stream into sentences that a voice can start on while the rest is still being written."""

import re

_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|\n+")
_CLAUSE = re.compile(r"[,;:–—](?=\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|nr|no|vs|etc|e\.g|i\.e|approx|dhr|mevr|bijv|ca|z\.b|usw|bzw|p\.m|a\.m|[a-z])\.$",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[*#`_~]+|^\s*[-•]\s+", re.MULTILINE)

LONG_CLAUSE = 140
"""Characters after which a sentence without an end is cut at a clause, so that the voice need not wait."""


def speakable(text: str) -> str:
    """`text` without the markup that a voice would read aloud."""
    return " ".join(_MARKUP.sub("", text).split())


class SentenceCutter:
    """`push` what the model writes; whole sentences come back as soon as they are whole."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, delta: str) -> list[str]:
        self._text += delta
        sentences = []
        while (cut := self._find_cut()) is not None:
            sentence = speakable(self._text[:cut])
            self._text = self._text[cut:]
            if sentence:
                sentences.append(sentence)
        return sentences

    def finish(self) -> list[str]:
        """What is left when the model has stopped writing."""
        rest, self._text = speakable(self._text), ""
        return [rest] if rest else []

    def _find_cut(self) -> int | None:
        for end in _END.finditer(self._text):
            if self._ends_a_sentence(end):
                return end.end()
        if len(self._text) > LONG_CLAUSE:
            clauses = [match.end() for match in _CLAUSE.finditer(self._text)]
            if clauses:
                return clauses[-1]
        return None

    def _ends_a_sentence(self, end: re.Match[str]) -> bool:
        before = self._text[: end.end()].rstrip()
        at_buffer_end = end.end() == len(self._text)
        if at_buffer_end and before.count('"') % 2:
            return False  # the closing quotation mark is still to come
        if not end.group().startswith("."):
            return bool(before)
        # "3." may become "3.5"; "Dr." goes on; neither is known to be an end yet.
        digit_before = len(before) >= 2 and before[-2].isdigit()
        return not _ABBREVIATION.search(before) and not (at_buffer_end and digit_before)
