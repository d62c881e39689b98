"""The built-in demo language model: plainly a script, for trying the platform without any key."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime

from dialtone.providers.base import Message, ReplyDone, ReplyEvent, TextDelta, ToolCall, ToolSpec
from dialtone.providers.local.demo.script import Script, arguments_json

WORD_SECONDS = 0.02
"""Between two words of a reply: about the pace of a fast hosted model."""


def _today() -> date:
    return datetime.now(UTC).date()


class DemoModel:
    """Implements `LanguageModel`. It keeps nothing between replies; the same messages give the same reply.

    `today` is asked only where a tool wants a calendar date for a day such as "Friday".
    """

    name = "local demo"

    def __init__(self, today: Callable[[], date] = _today) -> None:
        self._today = today

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> AsyncIterator[ReplyEvent]:
        step = Script(tools, self._today()).next_step(messages)
        words = step.text.split()
        for index, word in enumerate(words):
            await asyncio.sleep(WORD_SECONDS)
            yield TextDelta(word if index == 0 else f" {word}")
        if step.tool is not None:
            yield ToolCall(f"demo_{len(messages)}", step.tool, arguments_json(step))
        yield ReplyDone("stop" if step.tool is None else "tool_calls")
