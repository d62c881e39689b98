"""How much of a speech was heard, and when its sentences begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.conversation.sentences import SentenceCutter
from dialtone.conversation.speech import Speech
from dialtone.conversation.wording import is_backchannel, looks_finished
from dialtone.media.audio import MULAW_8K

TEXT = ["Hello there, how are you?", "We are open from nine to five."]


def speech_of(texts: list[str], bytes_per_character: int = 160) -> Speech:
    speech = Speech(MULAW_8K)
    for text in texts:
        speech.add_text(text, len(text) + 1, 0.0)
        speech.add_audio(b"\x10" * bytes_per_character * (len(text) + 1), len(text) + 1, 0.0)
    speech.complete()
    return speech


def play(speech: Speech, frames: int) -> list[str]:
    cues = []
    for _ in range(frames):
        speech.next_frame()
        while (cue := speech.take_cue()) is not None:
            cues.append(cue)
    return cues


def test_nothing_is_heard_before_the_first_frame() -> None:
    assert speech_of(TEXT).heard == ""


def test_everything_is_heard_at_the_end() -> None:
    speech = speech_of(TEXT)
    play(speech, 200)
    assert speech.finished
    assert speech.heard == " ".join(TEXT)


@given(st.integers(1, 56))
def test_what_was_heard_grows_word_by_word_with_the_frames(frames: int) -> None:
    # One frame is one character.
    speech = speech_of(TEXT)
    play(speech, frames)
    whole = " ".join(TEXT)
    heard = speech.heard
    assert whole.startswith(heard)
    assert heard == whole or heard == "" or whole[len(heard)] == " "
    assert abs(len(heard) - frames) <= 8


def test_a_sentence_is_announced_with_the_frame_that_begins_it() -> None:
    speech = speech_of(TEXT)
    assert play(speech, 1) == TEXT[:1]
    assert play(speech, len(TEXT[0])) == []
    assert play(speech, 2) == TEXT[1:]


def test_audio_that_was_cut_away_takes_its_characters_along() -> None:
    speech = Speech(MULAW_8K)
    speech.add_text("Hello there friend", 18, 0.0)
    speech.add_audio(b"", 6.0, 0.0)
    speech.add_audio(b"\x10" * 1600, 12.0, 0.0)
    speech.complete()
    assert speech.heard == ""
    assert speech.characters_made == 18
    play(speech, 5)
    assert speech.heard == "Hello there"


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("Hello. How are you? Fine!", ["Hello.", "How are you?", "Fine!"]),
        ("It costs 3.50 euros. Really.", ["It costs 3.50 euros.", "Really."]),
        ("Dr. Smith is here. Come in.", ["Dr. Smith is here.", "Come in."]),
        ("**Bold** and `code`.\n- one\n- two", ["Bold and code.", "one", "two"]),
        ("no end", ["no end"]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("", []),
    ],
)
def test_text_is_cut_into_sentences_however_it_arrives(written: str, sentences: list[str]) -> None:
    for size in (1, 3, 7, 100):
        cutter = SentenceCutter()
        cut = [part for i in range(0, len(written), size) for part in cutter.push(written[i : i + size])]
        assert cut + cutter.finish() == sentences


def test_a_sentence_is_not_held_back_for_the_next_one() -> None:
    cutter = SentenceCutter()
    assert cutter.push("I can help you with that.") == ["I can help you with that."]


def test_a_sentence_without_an_end_is_cut_at_a_clause() -> None:
    cut = SentenceCutter().push("one two three four, " * 10)
    assert cut
    assert all(len(part) < 200 for part in cut)


@pytest.mark.parametrize(
    ("text", "language", "finished"),
    [
        ("I want a table", "en", True),
        ("I want a table and", "en", False),
        ("I would like to", "en", False),
        ("um", "en", False),
        ("on Tuesday,", "en", False),
        ("What is it like to?", "en", True),
        ("ik wil graag een", "nl", False),
        ("ik wil graag een tafel", "nl-NL", True),
        ("no", None, True),
        ("die", "en", True),
        ("something in a language without a list and", "fi", True),
        ("", "en", False),
    ],
)
def test_unfinished_sentences_are_told_from_finished_ones(text: str, language: str | None, finished: bool) -> None:
    assert looks_finished(text, language) is finished


@pytest.mark.parametrize(
    ("text", "backchannel"),
    [("mhm", True), ("Yeah, okay.", True), ("ja ja", True), ("no", False), ("yes but wait", False), ("", False)],
)
def test_a_listeners_sign_of_life_is_told_from_words(text: str, backchannel: bool) -> None:
    assert is_backchannel(text) is backchannel
