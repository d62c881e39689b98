"""Keys in both directions, in virtual time: what the caller enters, and what the assistant presses."""

import asyncio
import json
from typing import Any

import pytest

from dialtone.conversation.call import Call
from dialtone.conversation.control import CommandError, SendDtmf
from dialtone.conversation.plan import KeypadPlan
from dialtone.providers.base import ToolCall
from dialtone.tools.toolbox import ToolOutcome
from tests.conversation.stage import Noise, Notes, Says, Stage

MENU = Says(1.0, 2.0, "press two for sales")


def pressing(stage: Stage, keys: dict[float, str]) -> Stage:
    """The caller presses keys at the given seconds."""
    for at, key in keys.items():
        stage.at.append((at, lambda call, key=key: call.on_dtmf(key)))  # type: ignore[misc]
    return stage


def entered(plan: KeypadPlan, keys: dict[float, str], **settings: Any) -> Notes:
    stage = Stage(keypad=plan, **{"first_message": "Hello.", "hang_up_at": 20, **settings})
    return pressing(stage, keys).play()


# What the caller enters


@pytest.mark.parametrize(
    ("plan", "keys", "heard"),
    [
        (KeypadPlan(), {2.0: "1", 2.3: "2", 2.6: "#"}, ["(pressed 1 2)"]),
        (KeypadPlan(), {2.0: "#"}, ["(pressed #)"]),
        (KeypadPlan(terminator="*"), {2.0: "1", 2.3: "#", 2.6: "*"}, ["(pressed 1 #)"]),
        (KeypadPlan(terminator=None, timeout=1.0), {2.0: "*", 2.5: "#"}, ["(pressed * #)"]),
        (KeypadPlan(timeout=5.0), {2.0: "1", 6.5: "2"}, ["(pressed 1 2)"]),
        (KeypadPlan(timeout=0.5), {2.0: "1", 8.0: "2"}, ["(pressed 1)", "(pressed 2)"]),
        (KeypadPlan(max_digits=2), {2.0: "1", 2.2: "2", 8.0: "3"}, ["(pressed 1 2)", "(pressed 3)"]),
    ],
)
def test_a_key_a_pause_or_their_number_ends_the_digits(
    plan: KeypadPlan, keys: dict[float, str], heard: list[str]
) -> None:
    assert entered(plan, keys).heard == heard


LONG = "This is a long greeting that takes its time to be said."


@pytest.mark.parametrize(("interrupts", "said"), [(True, False), (False, True)])
def test_an_entry_interrupts_or_waits_until_the_assistant_has_finished(interrupts: bool, said: bool) -> None:
    notes = entered(
        KeypadPlan(max_digits=1, interrupts=interrupts),
        {1.0: "1", 1.5: "2"},
        first_message=LONG,
        replies=["Right."] * 2,
    )
    assert (notes.said[0] == LONG) is said
    assert " ".join(notes.heard) == ("(pressed 1) (pressed 2)")
    assert notes.said[-1] == "Right."


def test_what_waits_is_told_with_what_the_caller_says_next() -> None:
    stage = Stage(
        Says(2.0, 3.5, "please stop talking now"),
        first_message=LONG,
        keypad=KeypadPlan(max_digits=1, interrupts=False),
        hang_up_at=12,
    )
    assert pressing(stage, {1.0: "7"}).play().heard == ["please stop talking now (pressed 7)"]


# What the assistant presses


def send(digits: str, call_id: str = "k") -> ToolCall:
    return ToolCall(call_id, "send_dtmf", json.dumps({"digits": digits}))


def keyed(*script: Says | Noise, digits: str = "2", **settings: Any) -> Stage:
    stage = Stage(*script, **{"hang_up_at": 15, **settings})
    stage.tools.outcomes["send_dtmf"] = ToolOutcome("The keys were pressed.", keys=digits)
    return stage


def test_keys_are_pressed_with_their_pauses_and_the_model_says_nothing_into_the_menu() -> None:
    stage = keyed(MENU, digits="1w2W3,a", replies=[send("1w2W3,a")])
    notes = stage.play()
    at = [round(when - notes.keys[0][0], 2) for when, _ in notes.keys]
    assert [key for _, key in notes.keys] == ["1", "2", "3", "A"]
    for pressed, planned in zip(at, [0.0, 0.74, 1.98, 4.22], strict=True):
        assert pressed == pytest.approx(planned, abs=0.1)
    assert (notes.said, len(stage.model.asked)) == ([], 1)
    assert json.loads(dict(notes.messages)["tool"])["result"] == "The keys were pressed."


def test_keys_follow_what_the_assistant_says_and_the_next_answer_follows_them() -> None:
    again = Says(3.3, 4.0, "hello who is there")
    stage = keyed(MENU, again, digits="1,,2", replies=[["Wait a bit.", send("1,,2")], "It is me."], hang_up_at=20)
    notes = stage.play()
    (said_at, _), (answered_at, answer) = notes.sentences()
    assert notes.said == ["Wait a bit.", "It is me."]
    assert said_at + 0.5 < notes.keys[0][0]
    assert answer == "It is me."
    assert notes.keys[-1][0] + 0.2 <= answered_at
    assert [key for _, key in notes.keys] == ["1", "2"]
    told = [message for message in stage.model.asked[-1] if message.role == "tool"]
    assert [message.content for message in told] == ["The keys were pressed."]


def test_a_voice_does_not_break_keys_off() -> None:
    stage = keyed(MENU, Says(3.0, 5.0, "for the opening hours press three"), digits="1111111111", replies=[send("1")])
    assert len(stage.play().keys) == 10


def test_keys_of_an_answer_that_was_cut_off_are_not_pressed_and_the_model_knows() -> None:
    interruption = Says(3.2, 4.2, "no wait a moment please")
    stage = keyed(MENU, interruption, replies=[["I will now choose what you have said there.", send("2")], "Yes?"])
    notes = stage.play()
    assert notes.keys == []
    [told] = [message.content for message in stage.model.asked[-1] if message.role == "tool"]
    assert "so it was not done" in told


def test_the_call_ends_once_the_keys_are_pressed() -> None:
    stage = keyed(MENU, digits="12", replies=[[send("12"), ToolCall("e", "end_call", "{}")]], hang_up_at=None)
    notes = stage.play()
    assert [key for _, key in notes.keys] == ["1", "2"]
    assert notes.endings[0].end_reason == "assistant_hangup"
    assert notes.ended_after >= notes.keys[-1][0] + 0.2


def test_the_sound_of_our_own_keys_is_not_the_caller() -> None:
    stage = keyed(MENU, digits="12", replies=[send("12")])
    heard: dict[float, bytes] = {}

    def echo(call: Call) -> None:
        call.on_dtmf("1")

    for moment in range(200):
        stage.at.append((2.0 + moment * 0.05, lambda call: echo(call) if _sounds(stage) else None))
    open_ears = stage.ears.open

    async def listen(*arguments: Any) -> Any:
        stream = await open_ears(*arguments)
        send_on = stream.send

        def hear(audio: bytes) -> None:
            heard[stage.notes.now()] = audio
            send_on(audio)

        stream.send = hear  # type: ignore[method-assign]
        return stream

    stage.ears.open = listen  # type: ignore[method-assign]
    notes = stage.play()
    first, last = notes.keys[0][0], notes.keys[-1][0]
    assert {audio for at, audio in heard.items() if first + 0.05 < at < last + 0.4} == {b"\xff" * 160}
    assert notes.heard == ["press two for sales"]


def _sounds(stage: Stage) -> bool:
    now = asyncio.get_running_loop().time() - stage.notes.start
    return any(at <= now < at + 0.4 for at, _ in stage.notes.keys)


def test_keys_are_pressed_from_outside_after_what_is_being_said() -> None:
    stage = Stage(first_message=LONG, hang_up_at=8)
    stage.at.append((1.0, lambda call: call.command(SendDtmf("12"))))
    notes = stage.play()
    assert notes.said == [LONG]
    assert [key for _, key in notes.keys] == ["1", "2"]
    assert notes.keys[0][0] >= notes.frames[-1]


def test_a_line_without_keys_refuses_them() -> None:
    stage = Stage(hang_up_at=4)
    stage.notes.can_send_dtmf = False
    refused: list[str] = []

    def press(call: Call) -> None:
        with pytest.raises(CommandError) as refusal:
            call.command(SendDtmf("1"))
        refused.append(refusal.value.code)

    stage.at.append((1.0, press))
    assert stage.play().keys == []
    assert refused == ["dtmf_not_possible"]
