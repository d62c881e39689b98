"""One reply being made: the model writes, sentences go to the voice while it still writes, tools are used.

A reply may be begun before the turn is sure to be over. Until it is committed nothing of it is heard, only its first
sentence is spoken (into a buffer), and no tool is touched.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from dialtone.conversation.sentences import SentenceCutter
from dialtone.conversation.voice import Telling
from dialtone.providers.base import LanguageModel, Message, ProviderError, ReplyDone, TextDelta, ToolCall, ToolSpec
from dialtone.tools.toolbox import ToolOutcome

MAX_TOOL_ROUNDS = 6
"""After this many rounds of tool calls in one reply the model must answer without."""
CUT_OFF = "The caller spoke before the tool had answered. It may have been carried out."
NOT_DONE = "The caller spoke before this was done, so it was not done."
RETRY_DELAY = 0.3
"""Seconds before the one second try, if the model failed before its first word."""


class Tools(Protocol):
    """What the assistant may do; see `dialtone.tools.toolbox`."""

    def specs(self) -> list[ToolSpec]: ...

    def waiting_message(self, name: str) -> str | None: ...

    async def run(self, call: ToolCall) -> ToolOutcome: ...


class ToolRound:
    """What the assistant said before it used tools, and what came of them."""

    def __init__(self, text: str, calls: tuple[ToolCall, ...], outcomes: dict[str, ToolOutcome]) -> None:
        self.text = text
        self.calls = calls
        self.outcomes = outcomes

    def results(self, *, cut_short: bool) -> dict[str, str]:
        """What the model is told, by call id. `cut_short`: the caller took the turn before the reply was heard to its
        end, which is when callers are transferred or hung up on.
        """
        leaves = {call_id for call_id, outcome in self.outcomes.items() if outcome.end_call or outcome.transfer_to}
        return {
            call_id: NOT_DONE if cut_short and call_id in leaves else outcome.result
            for call_id, outcome in self.outcomes.items()
        }


class Reply:
    """The answer to `text`, a turn of the caller (empty where the assistant speaks unasked)."""

    def __init__(
        self,
        text: str,
        messages: Sequence[Message],
        model: LanguageModel,
        tools: Tools,
        telling: Telling,
        on_tool: Callable[[str], None],
    ) -> None:
        self.text = text
        self.telling = telling
        self.rounds: list[ToolRound] = []
        self.error: ProviderError | None = None
        """The model gave no answer at all."""
        self.broken_off: ProviderError | None = None
        """The model failed in the middle of its answer."""
        self.requested_at: float | None = None
        self.first_token_at: float | None = None
        self.hang_up = False
        self.transfer_to: str | None = None
        """Where the caller is to be handed over once the reply was heard."""
        self._messages = list(messages)
        self._model = model
        self._tools = tools
        self._on_tool = on_tool
        self._committed = asyncio.Event()
        self._held: list[str] = []
        self._said: list[str] = []

    def commit(self) -> None:
        """The turn is over: what was held back may be spoken, tools may be used."""
        self._committed.set()
        for sentence in self._held:
            self.telling.push(sentence)
        self._held.clear()

    @property
    def committed(self) -> bool:
        return self._committed.is_set()

    async def make(self) -> None:
        """Write and speak the whole reply. A failure of the model ends up in `error` or `broken_off`."""
        try:
            for tool_rounds_left in range(MAX_TOOL_ROUNDS, -1, -1):
                self._said = []
                calls = await self._write(self._tools.specs() if tool_rounds_left else [])
                if not calls or not await self._use_tools(calls):
                    break
        except ProviderError as error:
            if self._said or self.rounds:
                self.broken_off = error
            else:
                self.error = error
        await self._committed.wait()
        self.telling.finish()

    async def _write(self, specs: list[ToolSpec]) -> list[ToolCall]:
        """One stream of the model; returns the tools it wants to use."""
        try:
            return await self._stream(specs)
        except ProviderError as error:
            if self._said or not error.retryable:
                raise
            await asyncio.sleep(RETRY_DELAY)
            return await self._stream(specs)

    async def _stream(self, specs: list[ToolSpec]) -> list[ToolCall]:
        clock = asyncio.get_running_loop().time
        if self.requested_at is None:
            self.requested_at = clock()
        cutter, calls = SentenceCutter(), []
        async with aclosing(self._model.reply(self._messages, specs)) as events:  # type: ignore[type-var]
            async for event in events:
                if self.first_token_at is None:
                    self.first_token_at = clock()
                if isinstance(event, TextDelta):
                    for sentence in cutter.push(event.text):
                        self._say(sentence)
                elif isinstance(event, ToolCall):
                    calls.append(event)
                elif isinstance(event, ReplyDone):
                    break
        for sentence in cutter.finish():
            self._say(sentence)
        return calls

    def _say(self, sentence: str) -> None:
        first = not self._said and not self.rounds
        self._said.append(sentence)
        if self.committed or first:
            self.telling.push(sentence + " ")
        else:
            self._held.append(sentence + " ")

    async def _use_tools(self, calls: list[ToolCall]) -> bool:
        """Run `calls` together; False where the conversation ends with them."""
        await self._committed.wait()
        if not self._said:
            for message in filter(None, [self._tools.waiting_message(call.name) for call in calls][:1]):
                self._say(message)
        text = " ".join(self._said)
        for call in calls:
            self._on_tool(call.name)
        # If the caller cuts in meanwhile, the model must know what it has begun, or it would do it again.
        by_id = {call.id: ToolOutcome(CUT_OFF, failed=True) for call in calls}
        self.rounds.append(ToolRound(text, tuple(calls), by_id))
        outcomes = await asyncio.gather(*(self._tools.run(call) for call in calls))
        by_id.update(zip((call.id for call in calls), outcomes, strict=True))
        self._messages.append(Message("assistant", text, tool_calls=tuple(calls)))
        self._messages += [Message("tool", by_id[call.id].result, tool_call_id=call.id) for call in calls]
        transfer = next((outcome for outcome in outcomes if outcome.transfer_to is not None), None)
        if transfer is not None and transfer.transfer_to is not None:
            self.transfer_to = transfer.transfer_to.number
            if transfer.spoken_first:
                self._say(transfer.spoken_first)
        elif any(outcome.end_call for outcome in outcomes):
            self.hang_up = True
        return not (self.hang_up or self.transfer_to)
