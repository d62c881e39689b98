"""Recognises English with pocketsphinx and the model its wheel carries, in a process of its own."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dialtone.providers.local.children import letters, phrases
from dialtone.providers.local.children.listening import INTERIM_SECONDS, SAMPLE_RATE, serve
from dialtone.providers.local.children.pipe import Pipe

NOISE_AMPLITUDE = 60
"""Standard deviation, in 16-bit units, of white noise added before recognition: the acoustic model knows no digitally
silent or telephone-cut bands, and without it most telephone speech is misheard (docs/local-speech.md has figures)."""
CEPSTRAL_MEAN = "43.8,2.9,-3.2,3.2,-2.3,-2.3,-0.6,-4.0,-1.5,-0.8,-2.0,-0.1,-1.5"
"""Where normalisation starts in a call, before it has adapted: averaged over speech with that noise added."""
SPEECH_WINDOW_SECONDS = 0.18
SPEECH_RATIO = 0.8
"""Share of the window that must be (or must no longer be) speech for speech to begin (or end)."""
MAX_UTTERANCE_SECONDS = 20.0
MAX_IDLE_DECODERS = 4


class Pronunciations:
    """The model's dictionary, read once: a decoder loads in a fraction of the time with only the words it needs."""

    def __init__(self, path: str) -> None:
        self._lines: dict[str, list[str]] = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                entry, _, phones = line.strip().partition(" ")
                self._lines.setdefault(entry.partition("(")[0], []).append(phones)

    def __contains__(self, word: str) -> bool:
        return word in self._lines

    def lines(self, word: str) -> list[str]:
        """The dictionary file's lines for `word`: one for each way to say it."""
        ways = self._lines[word]
        return [f"{word}{f'({number})' if number > 1 else ''} {phones}" for number, phones in enumerate(ways, 1)]


class Recogniser:
    """One decoder, for one list of phrases or for open English; used by one stream at a time."""

    def __init__(self, keyterms: tuple[str, ...], pronunciations: Pronunciations) -> None:
        import pocketsphinx

        self.keyterms = keyterms
        self.notes: list[str] = []
        self._expected: set[str] = set()
        self._spelling: dict[str, str] = {}
        root = f"{pocketsphinx.get_model_path()}/en-us"
        if not keyterms:
            self.decoder = pocketsphinx.Decoder(
                hmm=f"{root}/en-us", dict=f"{root}/cmudict-en-us.dict", lm=f"{root}/en-us.lm.bin", loglevel="FATAL"
            )
        else:
            dictionary, model = self._expect(keyterms, pronunciations)
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "words.dict").write_text(dictionary)
                Path(folder, "expected.arpa").write_text(model)
                self.decoder = pocketsphinx.Decoder(
                    hmm=f"{root}/en-us", dict=f"{folder}/words.dict", lm=f"{folder}/expected.arpa", loglevel="FATAL"
                )
        self.reset()

    def _expect(self, keyterms: tuple[str, ...], pronunciations: Pronunciations) -> tuple[str, str]:
        """The dictionary and the language model for `keyterms`. Raises `ValueError` where none can be pronounced."""
        known: list[list[str]] = []
        guessed: dict[str, str] = {}
        for keyterm in keyterms:
            words = phrases.phrase_words(keyterm)
            guesses = {word: letters.pronounce(word) for word in words if word not in pronunciations}
            if not words or None in guesses.values():
                self.notes.append(f"the phrase {keyterm!r} is left out: it has no words that can be pronounced")
                continue
            known.append(words)
            guessed |= {word: phones for word, phones in guesses.items() if phones}
            self._remember_spelling(keyterm)
        if not known:
            raise ValueError("none of the keyterms has words that can be pronounced in English")
        self.notes += [f"the word {word!r} is not in the dictionary; its pronunciation is a guess" for word in guessed]
        self._expected = {word for words in known for word in words}
        vocabulary = dict.fromkeys([*self._expected, *phrases.OTHER_WORDS])
        lines = [line for word in vocabulary if word in pronunciations for line in pronunciations.lines(word)]
        lines += [f"{word} {phones}" for word, phones in guessed.items()]
        lines += [f"{phrases.garbage_word(phone)} {phone}" for phone in phrases.PHONES]
        return "\n".join([*lines, ""]), phrases.language_model(known, pronunciations.__contains__)

    def _remember_spelling(self, keyterm: str) -> None:
        for token in keyterm.split():
            bare = token.strip(".,;:!?\"'()")
            if bare != bare.lower():
                self._spelling.setdefault(bare.lower(), bare)

    def start(self) -> None:
        self.decoder.start_utt()

    def reset(self) -> None:
        """Forget the last stream's voice."""
        self.decoder.set_cmn(CEPSTRAL_MEAN)

    def text(self, *, final: bool) -> str:
        """What the utterance says so far; a final text is nothing where most of it was not expected."""
        hypothesis = self.decoder.hyp()
        if hypothesis is None:
            return ""
        words = re.sub(r"\(\d+\)", "", hypothesis.hypstr).split()
        if self.keyterms:
            words = phrases.expected_only(words, self._expected, reject=final)
        return " ".join(self._spelling.get(word, word) for word in words)


class SphinxStream:
    """Cuts speech out of one call's audio and recognises it."""

    def __init__(self, recogniser: Recogniser, idle: "IdleDecoders") -> None:
        import pocketsphinx

        self._recogniser = recogniser
        self._idle = idle
        self.notes = recogniser.notes
        self._endpointer = pocketsphinx.Endpointer(
            window=SPEECH_WINDOW_SECONDS,
            ratio=SPEECH_RATIO,
            vad_mode=pocketsphinx.Vad.STRICT,
            sample_rate=SAMPLE_RATE,
        )
        self._noise = np.random.default_rng(0)
        self._rest = b""
        self._in_utterance = False
        self._start = 0.0
        self._decoded_bytes = 0
        self._next_interim = 0.0
        self._interim = ""

    def accept(self, audio: bytes) -> Iterator[dict[str, Any]]:
        audio = self._rest + audio
        frame_bytes = self._endpointer.frame_bytes
        whole = len(audio) // frame_bytes * frame_bytes
        self._rest = audio[whole:]
        for offset in range(0, whole, frame_bytes):
            speech = self._endpointer.process(audio[offset : offset + frame_bytes])
            if speech is not None:
                yield from self._accept_speech(speech)

    def _accept_speech(self, speech: bytes) -> Iterator[dict[str, Any]]:
        if not self._in_utterance:
            self._begin(self._endpointer.speech_start)
        self._decode(speech)
        seconds = self._decoded_bytes / (2 * SAMPLE_RATE)
        if not self._endpointer.in_speech:
            yield self._end(self._endpointer.speech_end)
        elif seconds >= MAX_UTTERANCE_SECONDS:
            yield self._end(self._start + seconds)
            self._begin(self._start + seconds)
        elif seconds >= self._next_interim:
            self._next_interim = seconds + INTERIM_SECONDS
            text = self._recogniser.text(final=False)
            if text and text != self._interim:
                self._interim = text
                yield {"type": "interim", "text": text}

    def _begin(self, start: float) -> None:
        self._recogniser.start()
        self._in_utterance = True
        self._start = start
        self._decoded_bytes = 0
        self._next_interim = INTERIM_SECONDS
        self._interim = ""

    def _decode(self, speech: bytes) -> None:
        self._decoded_bytes += len(speech)
        samples = np.frombuffer(speech, "<i2")
        audible = samples + self._noise.normal(0, NOISE_AMPLITUDE, len(samples))
        self._recogniser.decoder.process_raw(np.clip(audible, -32768, 32767).astype("<i2").tobytes())

    def _end(self, end: float) -> dict[str, Any]:
        self._recogniser.decoder.end_utt()
        self._in_utterance = False
        return {"type": "final", "text": self._recogniser.text(final=True), "start": self._start, "end": end}

    def close(self) -> None:
        if self._in_utterance:
            self._recogniser.decoder.end_utt()
        self._idle.put(self._recogniser)


class IdleDecoders:
    """Decoders of ended streams, kept warm: loading one takes longer than a caller should wait."""

    def __init__(self, pronunciations: Pronunciations) -> None:
        self._pronunciations = pronunciations
        self._idle: list[Recogniser] = []

    def take(self, keyterms: tuple[str, ...]) -> Recogniser:
        for recogniser in self._idle:
            if recogniser.keyterms == keyterms:
                self._idle.remove(recogniser)
                return recogniser
        return Recogniser(keyterms, self._pronunciations)

    def put(self, recogniser: Recogniser) -> None:
        recogniser.reset()
        self._idle.append(recogniser)
        del self._idle[:-MAX_IDLE_DECODERS]


def main() -> None:
    pipe = Pipe()
    try:
        import pocketsphinx

        idle = IdleDecoders(Pronunciations(f"{pocketsphinx.get_model_path()}/en-us/cmudict-en-us.dict"))
    except (ImportError, OSError) as error:
        pipe.send(0, type="error", message=f"pocketsphinx could not start: {error}", permanent=True)
        return
    pipe.send(0, type="ready")
    serve(pipe, lambda request: SphinxStream(idle.take(tuple(request["keyterms"])), idle))


if __name__ == "__main__":
    main()
