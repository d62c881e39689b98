"""How far into an utterance's text its audio reaches."""

_CHARACTERS_PER_SECOND = 15.0
"""Of ordinary speech; used where the vendor sends no alignment."""


class SpokenCharacters:
    """Counts characters of the pushed text as audio comes in; all counts together give the text's length.

    A text may go to the vendor with a space behind it that was never pushed; the vendor's alignment covers that too.
    """

    def __init__(self) -> None:
        self._pieces: list[tuple[int, int]] = []
        self._sent = ""
        self._position = 0
        self._length = 0
        self._reached = 0.0

    def push(self, text: str, sent: str) -> None:
        """`text` was pushed and went out as `sent`: the text itself, with a space behind it, or nothing."""
        self._pieces.append((len(sent), len(text)))
        self._sent += sent
        self._length += len(text)

    def aligned(self, characters: str) -> float:
        """The vendor says that a chunk speaks `characters`: how many pushed ones these are."""
        for character in characters:
            if self._position >= len(self._sent):
                break
            if self._sent[self._position] == character or not character.isspace():
                self._position += 1
        return self._advance(self._pushed_before(self._position))

    def estimated(self, seconds: float) -> float:
        """A chunk of `seconds` came without alignment."""
        return self._advance(self._reached + seconds * _CHARACTERS_PER_SECOND)

    def rest(self) -> float:
        """What no chunk has spoken; to be counted when the utterance is complete."""
        return self._advance(float(self._length))

    def _advance(self, reached: float) -> float:
        before = self._reached
        self._reached = max(before, min(reached, float(self._length)))
        return self._reached - before

    def _pushed_before(self, position: int) -> float:
        pushed = 0
        for sent_length, pushed_length in self._pieces:
            if position < sent_length:
                return float(pushed + min(position, pushed_length))
            position -= sent_length
            pushed += pushed_length
        return float(pushed)
