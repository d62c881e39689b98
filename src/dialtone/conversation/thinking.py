"""One reply being made: the model writes, sentences go to the voice while it still writes, tools are used.

A reply may be begun before the turn is sure to be over. Until it is committed nothing of it is heard, only its first
sentence is spoken (into a buffer), and no tool is touched.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

from dialtone.conversation.sentences import SentenceCutter
from dialtone.conversation.tool_use import ToolRound, Tools, ToolUse, ToolUses, told_apart
from dialtone.conversation.voice import Telling
from dialtone.providers.base import LanguageModel, Message, ProviderError, ReplyDone, TextDelta, ToolCall, ToolSpec
from dialtone.tools.base import Destination

MAX_TOOL_ROUNDS = 6
"""After this many rounds of tool calls in one reply the model must answer without."""
MAX_CALLS_AT_ONCE = 16
NO_MORE_TOOLS = "No more tools can be used for this answer. Answer the caller with what you know."
RETRY_DELAY = 0.3
"""Seconds before the one second try, if the model failed before its first word."""


class Reply:
    """The answer to `text`, a turn of the caller (empty where the assistant speaks unasked)."""

    def __init__(
        self,
        text: str,
        messages: Sequence[Message],
        model: LanguageModel,
        tools: Tools,
        uses: ToolUses,
        telling: Telling,
        on_note: Callable[[str], None],
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
        self.transfer_to: Destination | None = None
        """Where the caller is to be handed over once the reply was heard."""
        self.keys = ""
        """What is to be pressed once the reply was heard."""
        self._messages = list(messages)
        self._model = model
        self._tools = tools
        self._uses = uses
        self._on_note = on_note
        self._committed = asyncio.Event()
        self._held: list[str] = []
        self._said: list[str] = []
        self._waiting_messages: set[str] = set()
        """Those that were said."""

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
            await self._write_and_use_tools()
        except ProviderError as error:
            if self._said or self.rounds:
                self.broken_off = error
            else:
                self.error = error
        await self._committed.wait()
        self.telling.finish()

    async def _write_and_use_tools(self) -> None:
        for _ in range(MAX_TOOL_ROUNDS):
            self._said = []
            calls = await self._write(self._tools.specs())
            if not calls or not await self._use_tools(told_apart(calls)):
                return
        self._said = []
        self._on_note(f"the model used tools {MAX_TOOL_ROUNDS} times for one answer, and had to answer without")
        self._messages.append(Message("system", NO_MORE_TOOLS))
        calls = await self._write([])
        if calls:
            refused = [self._uses.refuse(call, NO_MORE_TOOLS) for call in told_apart(calls)]
            self.rounds.append(ToolRound(" ".join(self._said), refused))
            if not self._said:
                raise ProviderError(self._model.name, "it used tools only and said nothing")

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
        """Run `calls` together; False where the reply ends with them: nobody talks into a menu while pressing keys."""
        await self._committed.wait()
        if not self._said:
            self._say_waiting_message(calls)
        uses = [self._begin(call, number) for number, call in enumerate(calls)]
        self.rounds.append(ToolRound(" ".join(self._said), uses))
        # The tools have tasks of their own: they go on where this reply is cut off.
        if at_work := [use.task for use in uses if use.task is not None]:
            await asyncio.wait(at_work)
        outcomes = [use.outcome for use in uses if use.outcome is not None]
        self._messages += self.rounds[-1].messages()
        transfer = next((outcome for outcome in outcomes if outcome.transfer_to is not None), None)
        if transfer is not None:
            self.transfer_to = transfer.transfer_to
            if transfer.spoken_first:
                self._say(transfer.spoken_first)
        elif any(outcome.end_call for outcome in outcomes):
            self.hang_up = True
        self.keys += "".join(outcome.keys or "" for outcome in outcomes)
        only_keys = all(use.outcome is not None and use.outcome.keys for use in uses)
        return not (self.hang_up or self.transfer_to or only_keys)

    def _begin(self, call: ToolCall, number: int) -> ToolUse:
        if number >= MAX_CALLS_AT_ONCE:
            return self._uses.refuse(call, f"at most {MAX_CALLS_AT_ONCE} tools can be used at once.")
        return self._uses.begin(call)

    def _say_waiting_message(self, calls: Sequence[ToolCall]) -> None:
        """The first that one of the tools has, unless the caller has heard it while waiting for this reply."""
        messages = [message for call in calls if (message := self._tools.waiting_message(call.name))]
        if messages and messages[0] not in self._waiting_messages:
            self._waiting_messages.add(messages[0])
            self._say(messages[0])
