import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from dialtone.providers.base import Message, ReplyDone, TextDelta, ToolCall, ToolSpec
from dialtone.providers.local.demo import model as demo_model
from dialtone.providers.local.demo.model import DemoModel
from dialtone.providers.local.demo.moments import calendar_date, clock_time, find_time
from dialtone.providers.local.demo.values import Parameter, find_value

SUNDAY = date(2026, 3, 1)
END_CALL = ToolSpec("end_call", "End the call")


def tool(name: str, description: str, required: Sequence[str], /, **properties: dict[str, Any]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name, description, schema)


BOOK = tool(
    "book_table",
    "Book a table at the restaurant",
    ["people", "day", "time", "name"],
    people={"type": "integer", "description": "how many people are coming", "minimum": 1, "maximum": 20},
    day={"type": "string", "format": "date", "description": "the day of the booking"},
    time={"type": "string", "format": "time", "description": "the time of the booking"},
    name={"type": "string", "description": "the name for the booking"},
)
ORDER = tool(
    "order_pizza",
    "Order a pizza for delivery",
    ["kind", "extra_cheese"],
    kind={"type": "string", "enum": ["margherita", "funghi"], "description": "the kind of pizza"},
    extra_cheese={"type": "boolean", "description": "extra cheese"},
)
HOURS = ToolSpec("opening_hours", "Tell the opening hours")


class Call:
    """A conversation with the demo model."""

    def __init__(self, *tools: ToolSpec) -> None:
        self.tools = tools
        self.messages = [Message("system", "You are helpful."), Message("assistant", "Good day. How can I help you?")]
        self.call: ToolCall | None = None

    async def say(self, text: str) -> str:
        self.messages.append(Message("user", text))
        return await self._reply()

    async def answer(self, content: str) -> str:
        assert self.call is not None
        self.messages.append(Message("tool", content, tool_call_id=self.call.id))
        return await self._reply()

    async def _reply(self) -> str:
        events = [event async for event in DemoModel(lambda: SUNDAY).reply(self.messages, self.tools)]
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        calls = tuple(event for event in events if isinstance(event, ToolCall))
        assert events[-1] == ReplyDone("tool_calls" if calls else "stop")
        self.call = calls[0] if calls else None
        self.messages.append(Message("assistant", text, calls))
        return text

    @property
    def arguments(self) -> Any:
        assert self.call is not None
        return json.loads(self.call.arguments)


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "WORD_SECONDS", 0)


async def test_asks_for_each_missing_value_then_calls_then_parts() -> None:
    call = Call(BOOK, END_CALL)
    assert "How many people are coming?" in await call.say("I would like to book a table please")
    assert "What is the day of the booking?" in await call.say("for four people")
    assert "time of the booking" in await call.say("on friday")
    assert "name for the booking" in await call.say("at seven in the evening")
    await call.say("my name is anna jansen")
    assert call.call is not None
    assert call.call.name == "book_table"
    assert call.arguments == {"people": 4, "day": "2026-03-06", "time": "19:00", "name": "Anna Jansen"}
    said = await call.answer('{"result": "Your table is booked"}')
    assert said == "Your table is booked. Is there anything else I can do for you?"
    assert "Goodbye" in await call.say("no thank you")
    assert call.call is not None
    assert call.call.name == "end_call"


async def test_takes_several_values_from_one_sentence() -> None:
    call = Call(BOOK)
    said = await call.say("can i reserve a table for two persons tomorrow at half past six my name is bob")
    assert call.arguments == {"people": 2, "day": "2026-03-02", "time": "18:30", "name": "Bob"}
    assert "?" not in said


async def test_a_misheard_wish_finds_its_tool() -> None:
    call = Call(BOOK, ORDER)
    assert "kind of pizza" in await call.say("i want two odder a pitza")
    assert call.call is None
    await call.say("the fungi one")
    await call.say("yes please")
    assert call.arguments == {"kind": "funghi", "extra_cheese": True}


async def test_an_answer_that_is_none_is_asked_again() -> None:
    call = Call(BOOK)
    await call.say("book a table")
    assert (await call.say("well the weather is nice")).endswith("How many people are coming?")
    assert (await call.say("fifty people")).endswith("How many people are coming?")
    assert "day" in await call.say("five")


async def test_a_tool_without_parameters_is_called_at_once() -> None:
    call = Call(BOOK, HOURS)
    await call.say("what are your opening hours")
    assert call.call is not None
    assert call.call.name == "opening_hours"
    assert call.arguments == {}
    assert (await call.answer('{"monday": "nine to five"}')).startswith("monday is nine to five.")


async def test_repeat_gives_the_last_words_and_keeps_the_question_open() -> None:
    call = Call(BOOK)
    asked = await call.say("book a table")
    assert await call.say("can you repeat that") == asked
    assert "day" in await call.say("three people")


async def test_gives_up_a_task_when_the_caller_does() -> None:
    call = Call(BOOK, ORDER)
    await call.say("book a table")
    assert "leave that" in await call.say("never mind")
    assert "kind of pizza" in await call.say("order pizza")


async def test_says_what_it_is_and_can_do_when_asked_or_lost_but_not_else() -> None:
    call = Call(BOOK)
    assert "demo model" not in await call.say("hello")
    assert "demo model" in await call.say("who are you")
    assert "book a table at the restaurant" in await call.say("what can you do")
    lost = await call.say("purple elephants dancing")
    assert "demo model" in lost
    assert "book a table" in lost


async def test_goodbye_without_the_end_call_tool_is_only_said() -> None:
    call = Call(BOOK)
    assert "Goodbye" in await call.say("bye")
    assert call.call is None


async def test_a_failed_tool_is_told() -> None:
    call = Call(HOURS)
    await call.say("opening hours")
    assert (await call.answer('{"error": "the system is down"}')).startswith("Sorry, that did not work: the system")


async def test_greets_when_nobody_has_spoken_and_streams_word_by_word() -> None:
    events = [event async for event in DemoModel().reply([Message("system", "x")], [])]
    assert len([event for event in events if isinstance(event, TextDelta)]) == 6


@pytest.mark.parametrize(
    ("schema", "said", "value"),
    [
        ({"type": "integer"}, "uh twenty five i think", 25),
        ({"type": "number"}, "it is 2.5", 2.5),
        ({"type": "integer"}, "one hundred and seven", 107),
        ({"type": "boolean"}, "no not really", False),
        ({"type": "string", "description": "phone number"}, "oh six one two three four", "061234"),
        ({"type": "string", "format": "email"}, "it's anna at example dot com", "anna@example.com"),
        ({"type": "string", "description": "your wish"}, "I would like a quiet corner.", "a quiet corner"),
        ({"type": "string", "description": "the weekday"}, "next tuesday please", "next Tuesday"),
        ({"type": "integer"}, "banana", None),
    ],
)
def test_values_are_found_by_their_schema(schema: dict[str, Any], said: str, value: object) -> None:
    assert find_value(Parameter("it", schema), said, asked=True, today=SUNDAY) == value


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("at seven", "19:00"),
        ("quarter to nine in the morning", "08:45"),
        ("7:30 pm", "19:30"),
        ("ten thirty", "10:30"),
        ("noon", "12:00"),
        ("eight o'clock in the evening", "20:00"),
    ],
)
def test_times_of_day(said: str, clock: str) -> None:
    time = find_time(said, bare=True)
    assert time is not None
    assert clock_time(time) == clock


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("day after tomorrow", date(2026, 3, 3)),
        ("Sunday", date(2026, 3, 8)),
        ("the third of May".removeprefix("the "), date(2026, 5, 3)),
        ("February 14th", date(2027, 2, 14)),
        ("twenty second of June", date(2026, 6, 22)),
        ("2026-12-24", date(2026, 12, 24)),
    ],
)
def test_days_become_dates(day: str, expected: date) -> None:
    assert calendar_date(day, SUNDAY) == expected
