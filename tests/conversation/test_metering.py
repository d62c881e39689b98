"""What a call used of its vendors, counted where it is sent."""

from collections.abc import AsyncIterator, Sequence

import pytest

from dialtone.conversation.metering import Meter, MeteredLanguageModel
from dialtone.conversation.plan import CallPlan
from dialtone.providers.base import Message, ReplyDone, ReplyEvent, TextDelta, ToolSpec
from dialtone.providers.use import VendorUse
from tests.conversation.stage import Says, Stage


def test_a_call_tells_at_its_end_what_it_used() -> None:
    stage = Stage(
        Says(3.0, 4.0, "a table for two"), first_message="Hello there.", replies=["It is booked."], hang_up_at=10
    )
    uses = {use.role: use for use in stage.play().endings[0].uses}
    assert uses.keys() == {"stt", "llm", "tts"}
    assert (uses["stt"].provider, uses["stt"].language) == ("ears", "en")
    assert uses["stt"].audio_seconds == pytest.approx(10, abs=0.3)
    # The scripted model reports no tokens: 'Be brief.', the greeting and the caller's words are 35 characters.
    assert uses["llm"].estimated
    assert uses["llm"].input_tokens >= 35 // 4
    assert uses["llm"].output_tokens == len("It is booked. ") // 4
    assert uses["tts"].characters == len("Hello there.") + len("It is booked. ")


def test_a_kept_greeting_and_the_apology_of_a_dead_vendor_are_not_counted() -> None:
    stage = Stage(first_message="Hello there.", hang_up_at=5)
    stage.play()
    again = Stage(first_message="Hello there.", hang_up_at=5)
    again.cache = stage.cache
    assert [use.role for use in again.play().endings[0].uses] == ["stt"]


class ReportingModel:
    name = "model"

    async def connect(self) -> None:
        """Nothing to open."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        yield TextDelta("Good ")
        yield TextDelta("day.")
        yield ReplyDone("stop", input_tokens=50, output_tokens=3)


def _meter() -> Meter:
    return Meter(CallPlan("c", "o", None, {"provider": "openai", "model": "gpt-5.4"}, None))


async def test_tokens_are_taken_from_the_vendor_where_it_tells_them() -> None:
    meter = _meter()
    model = MeteredLanguageModel(ReportingModel(), meter)
    for _ in range(2):
        assert [event async for event in model.reply([Message("user", "Hello")], [])][-1] == ReplyDone("stop", 50, 3)
    assert meter.uses() == (VendorUse("llm", "openai", "gpt-5.4", input_tokens=100, output_tokens=6),)


async def test_a_reply_that_was_dropped_is_estimated() -> None:
    meter = _meter()
    reply = MeteredLanguageModel(ReportingModel(), meter).reply([Message("user", "x" * 400)], [])
    assert await anext(reply) == TextDelta("Good ")
    await reply.aclose()  # type: ignore[attr-defined]
    assert meter.uses() == (VendorUse("llm", "openai", "gpt-5.4", input_tokens=100, output_tokens=1, estimated=True),)
