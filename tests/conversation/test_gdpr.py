"""GDPR mode in virtual time: what a call tells its record of vendors' failures, and what speech it leaves behind."""

import logging

import pytest

from dialtone.lines.base import Trouble
from dialtone.providers.base import ProviderError
from tests.conversation.stage import Says, Stage

QUOTED = ProviderError("model", "the request was refused (HTTP 400)", said="I can't discuss pomegranates")
PLAIN = "model: the request was refused (HTTP 400)"


@pytest.mark.parametrize("keep_content", [True, False])
def test_a_vendors_own_words_are_not_kept_in_gdpr_mode_nor_ever_logged(
    keep_content: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(Says(1.0, 2.0, "pomegranates"), replies=[QUOTED] * 3, hang_up_at=None, keep_content=keep_content)
    notes = stage.play()
    error = notes.endings[0].error or ""
    assert error == (str(QUOTED) if keep_content else PLAIN)
    assert str(QUOTED) == f"{PLAIN}: I can't discuss pomegranates"
    assert Trouble(str(QUOTED)) in [event for _, event in notes.events], "whoever is on the line is told all"
    assert "pomegranates" not in caplog.text
    assert PLAIN in caplog.text


@pytest.mark.parametrize(("keep_content", "noted"), [(True, True), (False, False)])
def test_notes_on_a_lost_transcriber_quote_nothing_in_gdpr_mode(keep_content: bool, noted: bool) -> None:
    stage = Stage(first_message="Hi.", hang_up_at=None, keep_content=keep_content)
    stage.ears.lose_after = 2.0
    lost = ProviderError("ears", "the stream failed", said="pomegranate")
    stage.at.append((1.0, lambda call: stage.ears.failures.extend([lost] * 10)))
    notes = stage.play()
    assert ("pomegranate" in str([*notes.notes, notes.endings[0].error])) is noted


@pytest.mark.parametrize(("keep_content", "kept"), [(True, 1), (False, 0)])
def test_no_speech_of_a_call_in_gdpr_mode_is_kept(keep_content: bool, kept: int) -> None:
    stage = Stage(first_message="Hello Mr Jansen.", hang_up_at=4, keep_content=keep_content)
    before = len(stage.cache.kept)
    assert stage.play().said == ["Hello Mr Jansen."]
    assert len(stage.cache.kept) - before == kept
