"""Tools in whole calls, in virtual time: together, cut off by the caller, cancelled by the end, called wrongly."""

import asyncio
import json
from typing import Any

import pytest

from dialtone.conversation.thinking import MAX_CALLS_AT_ONCE, MAX_TOOL_ROUNDS, NO_MORE_TOOLS
from dialtone.conversation.tool_use import CALL_ENDED, CUT_OFF, ToolUse, told_apart
from dialtone.lines.base import ToolAnswered, ToolUsed
from dialtone.providers.base import ToolCall
from dialtone.tools.toolbox import ToolOutcome
from tests.conversation.stage import Notes, Says, Scripted, Stage
from tests.conversation.test_call import LONG


class TimedTools:
    """Tools that take `seconds`, and note when they began and ended."""

    def __init__(self, seconds: dict[str, float], messages: dict[str, str] | None = None) -> None:
        self.seconds = seconds
        self.messages = messages or {}
        self.began: list[tuple[float, ToolCall]] = []
        self.ended: list[tuple[float, str]] = []
        self.cancelled: list[str] = []

    def specs(self) -> list[Any]:
        return []

    def waiting_message(self, name: str) -> str | None:
        return self.messages.get(name)

    async def run(self, call: ToolCall) -> ToolOutcome:
        clock = asyncio.get_running_loop().time
        self.began.append((clock(), call))
        try:
            await asyncio.sleep(self.seconds[call.name])
        except asyncio.CancelledError:
            self.cancelled.append(call.name)
            raise
        self.ended.append((clock(), call.name))
        return ToolOutcome(f"{call.name} says {call.arguments}")

    async def close(self) -> None:
        """Nothing is open."""


def play(tools: TimedTools, *script: Says, replies: list[Scripted], hang_up_at: float = 20.0) -> tuple[Stage, Notes]:
    stage = Stage(*script, replies=replies, hang_up_at=hang_up_at)
    stage.tools = tools  # type: ignore[assignment]
    return stage, stage.play()


def used(notes: Notes) -> list[dict[str, Any]]:
    """What the record says of tools."""
    return [json.loads(text) for role, text in notes.messages if role == "tool"]


def events(notes: Notes) -> list[Any]:
    return [event for _, event in notes.events if isinstance(event, ToolUsed | ToolAnswered)]


def results(stage: Stage, asked: int = -1) -> list[tuple[str | None, str]]:
    """What the model was told of its tools."""
    return [(one.tool_call_id, one.content) for one in stage.model.asked[asked] if one.role == "tool"]


# Together


def test_tools_of_one_turn_work_at_the_same_time_and_answer_in_order() -> None:
    tools = TimedTools({"slow": 5.0, "quick": 0.1, "fair": 1.0})
    calls = [ToolCall(name, name, "{}") for name in ("slow", "quick", "fair")]
    stage, notes = play(tools, Says(1.0, 2.0, "look it all up"), replies=[[*calls], "Found."])
    assert len({at for at, _ in tools.began}) == 1
    began = tools.began[0][0]
    assert [(round(at - began, 1), name) for at, name in tools.ended] == [(0.1, "quick"), (1.0, "fair"), (5.0, "slow")]
    assert results(stage) == [("slow", "slow says {}"), ("quick", "quick says {}"), ("fair", "fair says {}")]
    assert notes.said == ["Found."]
    assert notes.messages[1:4] == [
        ("tool", f'{{"tool": "{name}", "arguments": {{}}, "result": "{name} says {{}}"}}')
        for name in ("slow", "quick", "fair")
    ]
    assert events(notes) == [
        *(ToolUsed("slow"), ToolUsed("quick"), ToolUsed("fair")),
        *(ToolAnswered("quick", False), ToolAnswered("fair", False), ToolAnswered("slow", False)),
    ]


def test_two_calls_with_one_id_have_a_result_each() -> None:
    tools = TimedTools({"one": 0.1})
    calls = [ToolCall("same", "one", '{"a": 1}'), ToolCall("same", "one", '{"a": 2}')]
    stage, _ = play(tools, Says(1.0, 2.0, "look it up"), replies=[[*calls], "Found."])
    assert results(stage) == [("same", 'one says {"a": 1}'), ("same-1", 'one says {"a": 2}')]
    told = next(message for message in stage.model.asked[-1] if message.tool_calls)
    assert [call.id for call in told.tool_calls] == ["same", "same-1"]


def test_ids_are_told_apart_whatever_they_are() -> None:
    calls = [ToolCall(call_id, "f" * 100, "{}") for call_id in ("a", "a-2", "a", "a", "")]
    apart = told_apart(calls)
    assert len({call.id for call in apart}) == len(calls)
    assert {call.name for call in apart} == {"f" * 64}


def test_a_message_is_said_once_while_the_caller_waits() -> None:
    messages = {"b": "One moment please.", "c": "I am looking."}
    tools = TimedTools({"a": 0.1, "b": 2.0, "c": 0.1}, messages)
    first = [ToolCall("1", "a", "{}"), ToolCall("2", "b", "{}"), ToolCall("3", "c", "{}")]
    again = [ToolCall("4", "b", "{}")]
    _, notes = play(tools, Says(1.0, 2.0, "look it up"), replies=[[*first], [*again], "Found."])
    assert notes.said == ["One moment please. Found."]


# The caller speaks meanwhile


def test_a_tool_goes_on_when_the_caller_speaks_and_its_result_is_in_the_next_answer() -> None:
    tools = TimedTools({"book": 1.2})
    stage, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.0, 4.5, "for four people at eight"),
        replies=[ToolCall("t1", "book", '{"party": 4}'), "It is booked.", "It is booked."],
    )
    assert (len(tools.began), tools.cancelled) == (1, [])
    assert results(stage) == [("t1", 'book says {"party": 4}')]
    assert stage.model.asked[-1][-1].content == "for four people at eight"
    assert notes.said == ["It is booked."]
    assert used(notes) == [{"tool": "book", "arguments": {"party": 4}, "result": 'book says {"party": 4}'}]


def test_a_result_that_comes_after_the_next_answer_is_spoken_of_unasked() -> None:
    tools = TimedTools({"book": 8.0})
    stage, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "are you still there"),
        replies=[ToolCall("t1", "book", "{}"), "Yes, one moment.", "Your table is booked."],
    )
    assert results(stage, 1) == [("t1", CUT_OFF)]
    assert results(stage, 2) == [("t1", "book says {}")]
    assert notes.said == ["Yes, one moment.", "Your table is booked."]
    assert notes.messages[-2] == ("tool", '{"tool": "book", "arguments": {}, "result": "book says {}"}')


def test_a_call_that_is_still_at_work_is_waited_for_and_not_made_again() -> None:
    tools = TimedTools({"book": 6.0})
    stage, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "please do book it"),
        replies=[ToolCall("t1", "book", '{"party": 4}'), ToolCall("t2", "book", '{ "party":4 }'), "It is booked."],
    )
    assert [call.id for _, call in tools.began] == ["t1"]
    assert results(stage) == [("t1", CUT_OFF), ("t2", 'book says {"party": 4}')]
    assert notes.said == ["It is booked."]
    assert len(used(notes)) == 1


def test_another_call_is_made_although_one_is_at_work() -> None:
    tools = TimedTools({"book": 6.0})
    play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "no make it five"),
        replies=[ToolCall("t1", "book", '{"party": 4}'), ToolCall("t2", "book", '{"party": 5}'), "It is booked."],
    )
    assert [call.id for _, call in tools.began] == ["t1", "t2"]


def test_a_waited_for_call_that_is_cut_off_again_is_still_known() -> None:
    tools = TimedTools({"book": 9.0})
    again = ToolCall("t2", "book", "{}")
    stage, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "please do book it"),
        Says(7.0, 8.0, "are you there"),
        replies=[ToolCall("t1", "book", "{}"), again, "One moment.", "It is booked."],
    )
    assert len(tools.began) == 1
    assert results(stage) == [("t1", "book says {}"), ("t2", "book says {}")]
    assert notes.said == ["One moment.", "It is booked."]
    assert len(used(notes)) == 1


# The call ends meanwhile


def test_the_end_of_the_call_cancels_what_is_at_work_and_says_so() -> None:
    tools = TimedTools({"book": 9.0, "quick": 0.1})
    calls = [ToolCall("t1", "book", '{"party": 4}'), ToolCall("t2", "quick", "{}")]
    _, notes = play(tools, Says(1.0, 2.0, "book a table"), replies=[[*calls]], hang_up_at=5.0)
    assert tools.cancelled == ["book"]
    assert used(notes) == [
        {"tool": "quick", "arguments": {}, "result": "quick says {}"},
        {"tool": "book", "arguments": {"party": 4}, "error": CALL_ENDED},
    ]
    assert notes.notes == ["tool book had not answered when the call ended, and was cancelled"]
    assert ToolAnswered("book", False) not in events(notes)


def test_the_end_of_the_call_cancels_what_was_waited_for_again() -> None:
    tools = TimedTools({"book": 30.0})
    _, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "please do book it"),
        replies=[ToolCall("t1", "book", "{}"), ToolCall("t2", "book", "{}")],
        hang_up_at=8.0,
    )
    assert tools.cancelled == ["book"]
    assert used(notes) == [{"tool": "book", "arguments": {}, "error": CALL_ENDED}]


# The model's bad calls


def test_a_model_that_only_calls_tools_is_stopped_and_the_record_shows_it() -> None:
    tools = TimedTools({"again": 0.1})
    loop: Scripted = [ToolCall("t", "again", "{}")]
    stage, notes = play(
        tools,
        Says(1.0, 2.0, "look it up"),
        Says(9.0, 10.0, "hello are you there"),
        replies=[*[loop] * (MAX_TOOL_ROUNDS + 1), "Yes."],
    )
    assert len(tools.began) == MAX_TOOL_ROUNDS
    assert stage.model.asked[MAX_TOOL_ROUNDS][-1].content == NO_MORE_TOOLS
    assert [entry.get("error") for entry in used(notes)] == [None] * MAX_TOOL_ROUNDS + [f"Error: {NO_MORE_TOOLS}"]
    assert notes.notes == [
        f"the model used tools {MAX_TOOL_ROUNDS} times for one answer, and had to answer without",
        "an answer broke off (model: it used tools only and said nothing)",
    ]
    assert events(notes)[-1] == ToolAnswered("again", True)
    assert notes.said == ["Yes."]


def test_a_model_that_only_calls_tools_twice_in_a_row_ends_the_call_with_an_apology() -> None:
    tools = TimedTools({"again": 0.1})
    loop: Scripted = [ToolCall("t", "again", "{}")]
    _, notes = play(
        tools,
        Says(1.0, 2.0, "look it up"),
        Says(9.0, 10.0, "hello are you there"),
        replies=[loop] * (2 * MAX_TOOL_ROUNDS + 2),
        hang_up_at=40.0,
    )
    assert notes.endings[0].end_reason == "error"
    assert notes.endings[0].error == "model: it used tools only and said nothing"
    assert "sorry" in notes.said[-1]


def test_a_model_that_answers_once_it_has_no_more_tools_is_heard() -> None:
    tools = TimedTools({"again": 0.1})
    loop: Scripted = [ToolCall("t", "again", "{}")]
    _, notes = play(tools, Says(1.0, 2.0, "look it up"), replies=[*[loop] * MAX_TOOL_ROUNDS, "I found nothing."])
    assert notes.said == ["I found nothing."]
    assert len(notes.notes) == 1


def test_more_calls_at_once_than_may_be_are_refused() -> None:
    tools = TimedTools({"one": 0.1})
    calls = [ToolCall(str(number), "one", "{}") for number in range(MAX_CALLS_AT_ONCE + 2)]
    stage, notes = play(tools, Says(1.0, 2.0, "look it up"), replies=[[*calls], "Found."])
    assert len(tools.began) == MAX_CALLS_AT_ONCE
    assert [text for _, text in results(stage)[-2:]] == ["Error: at most 16 tools can be used at once."] * 2
    assert notes.said == ["Found."]


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", '{"a": NaN}', "[" * 5000])
def test_what_is_no_json_object_is_kept_from_servers_that_would_fail_on_it(arguments: str) -> None:
    tools = TimedTools({"one": 0.1})
    stage, notes = play(tools, Says(1.0, 2.0, "look it up"), replies=[[ToolCall("t", "one", arguments)], "Found."])
    told = next(message for message in stage.model.asked[-1] if message.tool_calls)
    assert [call.arguments for call in told.tool_calls] == ["{}"]
    shown = used(notes)[0]["arguments"]
    assert shown == [1] if arguments == "[1]" else arguments.startswith(shown.rstrip("…"))


def test_the_record_of_a_tool_is_bounded() -> None:
    use = ToolUse(ToolCall("t", "one", json.dumps({"a": "x" * 100_000})))
    record = use.record(ToolOutcome("y" * 100_000, failed=True))
    assert len(record) < 13_000
    assert json.loads(record)["error"].endswith("y…")


def test_a_tool_that_fell_silent_does_not_keep_the_caller_from_being_answered() -> None:
    """The caller's next words are answered at once, whatever is still at work."""
    tools = TimedTools({"book": 10.0})
    _, notes = play(
        tools,
        Says(1.0, 2.0, "book a table"),
        Says(3.5, 4.5, "when are you open"),
        replies=[ToolCall("t1", "book", "{}"), LONG, "It is booked."],
        hang_up_at=24.0,
    )
    assert notes.said == [LONG, "It is booked."]
    assert notes.first_frame_after(4.5) < 6.0
