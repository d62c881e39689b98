"""Handing a caller over by a second line, in virtual time: who hears what, when, and what becomes of the assistant."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dialtone.conversation.call import Call
from dialtone.conversation.control import Command, EndCall, Say, Transfer
from dialtone.conversation.introduction_wording import wording
from dialtone.lines.base import Line
from dialtone.lines.outbound import DialError
from dialtone.media.audio import MULAW_8K
from dialtone.media.call_tones import RINGBACK, Tone
from dialtone.media.recording_file import HEADER_BYTES
from dialtone.providers.base import ProviderError, ToolCall
from dialtone.tools.base import Destination
from dialtone.tools.toolbox import ToolOutcome
from tests.conversation.desk import DESK, OWN_TIME, VOICE, Desk
from tests.conversation.stage import Noise, Notes, Says, ScriptedSession, Stage
from tests.conversation.test_control import Commanded

BUSY = DialError("busy", "The line is busy (486 Busy Here).")
QUESTION = wording("en").question
SUMMARY = "Tom wants to book a table for two."


class Handed(Commanded):
    """A caller who is handed over to a desk at second 1, by command."""

    def __init__(self, desk: Desk, *script: Says | Noise, mode: Any = "bridge", **settings: Any) -> None:
        commands: Sequence[tuple[float, Command]] = [(1.0, Transfer(DESK, settings.pop("message", None), mode))]
        super().__init__([*commands, *settings.pop("commands", [])], *script, **settings)
        self.legs = self.desk = desk


def voices_heard(notes: Notes) -> int:
    """Frames of the desk's voice that reached the caller."""
    return sum(frame[4:] == VOICE for frame in notes.audio_sent)


def heard_after(notes: Notes, start: float) -> list[bytes]:
    return [frame for at, frame in zip(notes.frames, notes.audio_sent, strict=True) if at > start]


def caller_heard(desk: Desk) -> list[float]:
    """Seconds of the caller's own audio that reached the desk."""
    return [int.from_bytes(frame[:4], "big") / 8000 for frame in desk.sent]


# Bridge


def test_after_the_announcement_it_rings_and_both_hear_each_other() -> None:
    desk = Desk()
    stage = Handed(desk, message="I connect you now.", hang_up_at=8)
    notes = stage.play()
    [(dialled_at, destination)] = desk.dialled
    assert destination == DESK
    assert dialled_at - notes.start == pytest.approx(1.1 + len("I connect you now.") * 0.05, abs=0.06)
    tone = Tone(RINGBACK, MULAW_8K)
    ringing = [
        frame for at, frame in zip(notes.frames, notes.audio_sent, strict=True) if at > dialled_at - notes.start
    ][:90]
    assert ringing == [tone.tick(0) for _ in ringing], "the caller does not sit in silence"
    assert desk.answered_at is not None
    joined = desk.answered_at - notes.start
    assert voices_heard(notes) == pytest.approx((8 - joined) * 50, abs=4)
    heard = caller_heard(desk)
    assert heard == pytest.approx([heard[0] + n * 0.02 for n in range(len(heard))]), "untouched, nothing is missing"
    assert heard[0] == pytest.approx(joined, abs=0.06)
    assert heard[-1] == pytest.approx(7.96, abs=0.05)
    assert [(ending.end_reason, ending.error) for ending in notes.endings] == [("transferred", None)]
    assert notes.endings[0].duration_seconds == 8
    assert notes.said == ["I connect you now."]
    assert notes.notes == ["second leg: audio: of the desk"]
    assert stage.freed_without_collector


def test_the_assistant_leaves_with_its_vendors() -> None:
    stage = Handed(Desk(), Says(5.0, 6.0, "hello desk"), hang_up_at=8)
    sessions: list[int] = []
    stage.at.append((5.0, lambda _call: sessions.append(stage.voice.sessions)))
    notes = stage.play()
    assert sessions == [0]
    assert max(stage.ears.heard) < 3.2
    assert notes.messages == []
    assert stage.model.asked == []


def test_the_far_end_hangs_up() -> None:
    desk = Desk(hangs_up_at=3.0)
    notes = Handed(desk, hang_up_at=None).play()
    assert [(ending.end_reason, ending.error) for ending in notes.endings] == [("transferred", None)]
    assert notes.closed_with == ["transferred"]
    assert notes.ended_after == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("mode", ["bridge", "warm"])
def test_whoever_cannot_be_reached_leaves_the_caller_with_the_assistant_who_knows_why(mode: str) -> None:
    stage = Handed(
        Desk(problem=BUSY),
        Says(9.0, 10.0, "then book a table"),
        mode=mode,
        message="One moment.",
        replies=[SUMMARY] * (mode == "warm") + ["They are busy.", "It is booked."],
        hang_up_at=14,
    )
    notes = stage.play()
    assert notes.said == ["One moment.", "They are busy.", "It is booked."]
    told = stage.model.asked[-2][-1].content
    assert told.startswith(f"The transfer to {DESK} failed: The line is busy (486 Busy Here). Tell the caller")
    assert notes.notes == ["a transfer failed: The line is busy (486 Busy Here)"]
    assert notes.endings[0].end_reason == "user_hangup"
    assert heard_after(notes, 12.5) == [], "the tone ends"


def test_a_caller_who_leaves_while_it_rings_stops_the_ringing() -> None:
    desk = Desk(rings=20)
    notes = Handed(desk, hang_up_at=5).play()
    assert desk.given_up
    assert notes.endings[0].end_reason == "user_hangup"


def test_a_lost_vendor_while_it_rings_ends_the_call_with_an_apology() -> None:
    desk = Desk(rings=20)
    stage = Handed(desk, hang_up_at=None)
    stage.ears.always_lose = True
    notes = stage.play()
    assert desk.given_up
    assert notes.endings[0].end_reason == "error"


def test_the_longest_duration_holds_for_a_bridge() -> None:
    desk = Desk()
    notes = Handed(desk, hang_up_at=None, max_duration_seconds=10.0).play()
    assert notes.endings[0].end_reason == "max_duration"
    assert desk.closed_at is not None
    assert notes.ended_after == pytest.approx(10.0, abs=0.1)


def test_commands_for_a_bridged_call() -> None:
    commands = [(2.0, Say("Hello.", end_after=False)), (5.0, Say("Hello.", end_after=False)), (6.0, EndCall("Bye."))]
    desk = Desk()
    stage = Handed(desk, commands=commands, hang_up_at=None)
    notes = stage.play()
    assert stage.refused == [(2.0, "call_is_leaving"), (5.0, "call_transferred")]
    assert notes.endings[0].end_reason == "api_end_call"
    assert notes.ended_after == pytest.approx(6.0, abs=0.05)
    assert desk.closed_at is not None


def test_keys_go_across_once_and_not_as_sound() -> None:
    desk = Desk(presses=[(2.0, "7")])
    stage = Handed(desk, hang_up_at=8)
    stage.at.append((6.0, lambda call: call.on_dtmf("3")))
    notes = stage.play()
    assert desk.keys == ["3"]
    assert [key for _, key in notes.keys] == ["7"]
    assert not [second for second in caller_heard(desk) if 6.0 < second < 6.3]
    assert [second for second in caller_heard(desk) if 6.5 < second < 7.5]


def test_a_recording_goes_on_with_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    Handed(Desk(), hang_up_at=8, recording_path=path).play()
    samples = np.frombuffer(path.read_bytes()[HEADER_BYTES:], "<i2").reshape(-1, 2)
    assert len(samples) / 8000 == pytest.approx(8.0, abs=0.1)
    bridged = samples[5 * 8000 : 7 * 8000].astype(int)
    assert (np.abs(bridged[:, 1]) > 1000).mean() > 0.9, "the desk is on the right"


def test_a_recording_that_was_consented_to_ends_when_somebody_joins_who_was_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    desk = Desk()
    consent = {"consent_message": "Press 1.", "direction": "inbound", "recording_path": path}
    stage = Handed(desk, hang_up_at=8, **consent)
    stage.at.append((0.5, lambda call: call.on_dtmf("1")))
    notes = stage.play()
    assert notes.notes == [
        "the caller agreed to be recorded",
        "the recording ended here: whoever was called is not asked for consent",
        "second leg: audio: of the desk",
    ]
    assert desk.answered_at is not None
    samples = np.frombuffer(path.read_bytes()[HEADER_BYTES:], "<i2").reshape(-1, 2)
    assert len(samples) / 8000 == pytest.approx(desk.answered_at - notes.start - 0.5, abs=0.1)
    assert voices_heard(notes) > 100, "the caller hears the desk all the same"


def test_a_recording_that_was_consented_to_ends_when_another_telephone_takes_the_callers_place(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    stage = Stage(
        Says(3.0, 4.0, "it is me now"),
        consent_message="Press 1.",
        direction="inbound",
        recording_path=path,
        hang_up_at=8,
    )
    stage.at += [(0.5, lambda call: call.on_dtmf("1")), (2.5, lambda call: call.on_replaced())]
    notes = stage.play()
    assert notes.notes == [
        "the caller agreed to be recorded",
        "the recording ended here: whoever took the caller's place was not asked for consent",
    ]
    samples = np.frombuffer(path.read_bytes()[HEADER_BYTES:], "<i2").reshape(-1, 2)
    assert len(samples) / 8000 == pytest.approx(2.0, abs=0.1)


def test_the_assistant_hands_over_with_its_tool() -> None:
    call = ToolCall("t1", "transfer_call", f'{{"destination": "{DESK}"}}')
    stage = Stage(Says(1.0, 2.0, "sales please"), replies=[["Of course.", call]], hang_up_at=9)
    stage.legs = desk = Desk()
    chosen = Destination(DESK, "sales", "I connect you now.", "bridge")
    stage.tools.outcomes["transfer_call"] = ToolOutcome("Done.", transfer_to=chosen, spoken_first=chosen.message)
    notes = stage.play()
    assert notes.said == ["Of course. I connect you now."]
    assert voices_heard(notes) > 100
    assert notes.transfers == []
    assert desk.dialled[0][0] - notes.start > 4.0


# Blind, where the line can't


def test_a_line_that_knows_no_transfers_is_bridged() -> None:
    stage = Handed(Desk(), mode="blind", hang_up_at=8)
    stage.notes.transfer_refused, stage.notes.knows_no_transfers = "the other side answered 405", True
    notes = stage.play()
    assert voices_heard(notes) > 100
    assert notes.notes[0] == "the caller is connected through this server: the other side answered 405"
    assert notes.endings[0].end_reason == "transferred"


def test_a_destination_that_is_busy_is_not_called_again() -> None:
    desk = Desk()
    stage = Handed(desk, mode="blind", hang_up_at=8)
    stage.notes.transfer_refused = "the other side answered 486 Busy Here"
    notes = stage.play()
    assert desk.dialled == []
    assert notes.notes == ["a transfer failed: the other side answered 486 Busy Here"]


# Warm


def test_whoever_is_called_hears_who_it_is_and_takes_the_call_with_a_key() -> None:
    desk = Desk(presses=[(6.0, "1")])
    stage = Handed(desk, mode="warm", replies=[SUMMARY], hang_up_at=16)
    notes = stage.play()
    announcement = wording("en").announcement
    assert stage.voice.spoken == [announcement, SUMMARY, QUESTION]
    assert notes.messages == [("assistant", announcement)], "the talk with the desk is kept nowhere"
    used = {use.role: use for use in notes.endings[0].uses}
    assert used["tts"].characters == len(announcement + SUMMARY + QUESTION)
    assert used["stt"].audio_seconds == pytest.approx(11 + 6, abs=0.2), "the caller's until it was joined, the desk's"
    assert SUMMARY not in str(notes.notes)
    assert [message.role for message in stage.model.asked[0]][-2:] == ["assistant", "system"]
    assert "English" in stage.model.asked[0][-1].content
    assert desk.answered_at is not None
    first = voices_heard(notes) / 50
    assert first == pytest.approx(16 - (desk.answered_at + 6.0 - notes.start), abs=0.1)
    assert notes.endings[0].end_reason == "transferred"
    assert notes.notes[0] == "both sides stay connected through this server: nobody connects this line with another"
    assert stage.freed_without_collector


@pytest.mark.parametrize("key", ["1", "2"])
def test_nobody_waits_until_the_vendors_have_said_goodbye(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[float] = []
    close_at_once = ScriptedSession.close

    async def close(session: ScriptedSession) -> None:
        await close_at_once(session)
        await asyncio.sleep(1.0)
        closed.append(asyncio.get_running_loop().time())

    monkeypatch.setattr(ScriptedSession, "close", close)
    desk = Desk(presses=[(6.0, key)])
    stage = Handed(desk, mode="warm", replies=[SUMMARY, "They are busy."], hang_up_at=16)
    notes = stage.play()
    assert desk.answered_at is not None
    answered = desk.answered_at + 6.0
    assert closed[0] == pytest.approx(answered + 1.0, abs=0.05)
    if key == "1":
        assert voices_heard(notes) / 50 == pytest.approx(16 - (answered - notes.start), abs=0.1)
    else:
        assert heard_after(notes, answered - notes.start), "the caller is told"
        assert desk.closed_at == pytest.approx(answered, abs=0.05)


def test_a_yes_counts_once_the_question_was_asked() -> None:
    script = [Says(OWN_TIME + 0.2, OWN_TIME + 0.8, "yes hello"), Says(OWN_TIME + 7.0, OWN_TIME + 7.6, "yes please")]
    desk = Desk()
    stage = Handed(desk, *script, mode="warm", message="One moment.", replies=[SUMMARY], hang_up_at=20)
    notes = stage.play()
    assert desk.answered_at is not None
    assert voices_heard(notes) / 50 == pytest.approx(20 - (desk.answered_at + 7.9 - notes.start), abs=0.2)


@pytest.mark.parametrize(
    ("desk", "script", "why"),
    [
        (Desk(presses=[(1.0, "5"), (2.0, "2")]), [], "they declined the call"),
        (Desk(), [Says(OWN_TIME + 7.0, OWN_TIME + 7.6, "no not now")], "they declined the call"),
        (Desk(hangs_up_at=3.0), [], "they hung up before they took the call"),
        (Desk(), [], "nobody said whether they take the call"),
    ],
    ids=["key", "speech", "hang-up", "silence"],
)
def test_who_does_not_take_the_call_leaves_the_caller_with_the_assistant(
    desk: Desk, script: list[Says], why: str
) -> None:
    stage = Handed(desk, *script, mode="warm", message="One moment.", replies=[SUMMARY, "They can't."], hang_up_at=50)
    notes = stage.play()
    assert notes.notes[-1] == f"a transfer failed: {why}"
    assert notes.said == ["One moment.", "They can't."]
    assert voices_heard(notes) == 0
    assert stage.freed_without_collector


def test_silence_is_asked_about_once_more_and_then_declines() -> None:
    desk = Desk()
    stage = Handed(desk, mode="warm", message="One moment.", replies=[SUMMARY, "They can't."], hang_up_at=60)
    notes = stage.play()
    assert stage.voice.spoken.count(QUESTION) == 1, "the second time it comes from the cache"
    spoken = (len(SUMMARY) + 2 * len(QUESTION)) * 0.05
    assert desk.closed_at is not None
    assert desk.answered_at is not None
    assert desk.closed_at - desk.answered_at == pytest.approx(spoken + 20, abs=1.0)
    assert notes.endings[0].end_reason == "user_hangup"


@pytest.mark.parametrize("trouble", [ProviderError("model", "it is down", retryable=False), "slow"])
def test_without_a_summary_plain_words_do(trouble: Any) -> None:
    desk = Desk(presses=[(12.0, "1")])
    stage = Handed(desk, mode="warm", message="One moment.", replies=[trouble], hang_up_at=20)
    if trouble == "slow":
        stage.model.replies = ["a " * 1000]
    stage.play()
    assert stage.voice.spoken[1] == wording("en").plain


def test_the_introduction_speaks_the_assistants_language() -> None:
    script = [Says(OWN_TIME + 9.0, OWN_TIME + 9.6, "Ja hoor")]
    stage = Handed(Desk(), *script, mode="warm", replies=["Tom belt."], hang_up_at=20, stt_config={"language": "nl-NL"})
    notes = stage.play()
    assert stage.voice.spoken[1:] == [wording("nl").announcement, "Tom belt.", wording("nl").question]
    assert "Dutch" in stage.model.asked[0][-1].content
    assert voices_heard(notes) > 100


def test_a_voice_that_fails_brings_the_caller_back() -> None:
    stage = Handed(Desk(), mode="warm", message="One moment.", replies=[SUMMARY], hang_up_at=30)

    def lose_the_voice(_call: Call) -> None:
        stage.voice.failures = [ProviderError("voice", "the key was refused", retryable=False)]

    stage.at.append((2.5, lose_the_voice))
    notes = stage.play()
    why = "the introduction could not be spoken (voice: the key was refused)"
    assert notes.notes == ["second leg: audio: of the desk", f"a transfer failed: {why}"]


def test_one_telephone_system_connects_both_itself_once_they_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(presses=[(2.0, "1")])
    stage = Handed(desk, mode="warm", replies=[SUMMARY], hang_up_at=None)
    connected: list[Line] = []

    async def connect(other: Line) -> None:
        await asyncio.sleep(1.0)
        connected.append(other)

    monkeypatch.setattr(stage.notes, "connect", connect)
    notes = stage.play()
    assert connected == [desk]
    assert voices_heard(notes) == pytest.approx(50, abs=3), "they talk while they are being connected"
    assert [(ending.end_reason, ending.error) for ending in notes.endings] == [("transferred", None)]


@pytest.mark.parametrize("language", ["en", "nl", "de", "fr", "es", "it", "pt", "pl"])
def test_yes_and_no_in_each_language(language: str) -> None:
    words = wording(language)
    spoken = {"en": "yes no", "nl": "ja nee", "de": "ja nein", "fr": "oui non", "es": "sí no"}
    more = {"it": "sì no", "pt": "sim não", "pl": "tak nie"}
    yes, no = {**spoken, **more}[language].split()
    assert words.answer_in(f"{yes}!") is True
    assert words.answer_in(f"{no}.") is False
    assert words.answer_in(f"{yes}, {no}") is None
    assert words.answer_in("hallo?") is None
    assert wording(f"{language}-XX") is words
