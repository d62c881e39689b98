"""Tools at work in a call: begun by a reply, and going on where the caller cuts that reply off."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dialtone.conversation.journal import Journal
from dialtone.conversation.voice import Spawn
from dialtone.lines.base import Line, ToolAnswered, ToolUsed
from dialtone.providers.base import Message, ToolCall, ToolSpec
from dialtone.tools.toolbox import ToolOutcome

CUT_OFF = (
    "The caller spoke before this was answered. It goes on, and may have been carried out: don't do the same again. "
    "Its result will stand here once it is known."
)
NOT_DONE = "The caller cut the answer off before this was done, so it was not done."
CALL_ENDED = "The call ended before this was answered. It may have been carried out."
MAX_NAME_CHARACTERS = 64
MAX_SHOWN_ARGUMENTS = 4000
MAX_SHOWN_RESULT = 8000
"""Characters in a call's record."""


class Tools(Protocol):
    """What the assistant may do; see `dialtone.tools.toolbox`."""

    def specs(self) -> list[ToolSpec]: ...

    def waiting_message(self, name: str) -> str | None: ...

    async def run(self, call: ToolCall) -> ToolOutcome: ...


class ToolUse:
    """One call of a tool by the model."""

    def __init__(self, call: ToolCall, outcome: ToolOutcome | None = None) -> None:
        self.call = call
        self.outcome = outcome
        """None while the tool is at work."""
        self.task: asyncio.Task[None] | None = None
        """Ends when the outcome is known, or the call is over."""

    def is_same_as(self, call: ToolCall) -> bool:
        """Whether `call` asks for what this one does, whatever its id."""
        return self.call.name == call.name and _parsed(self.call.arguments) == _parsed(call.arguments)

    def record(self, outcome: ToolOutcome) -> str:
        """What the call's record says of it, as JSON."""
        written = self.call.arguments
        arguments = _parsed(written) if len(written) <= MAX_SHOWN_ARGUMENTS else f"{written[:MAX_SHOWN_ARGUMENTS]}…"
        result = outcome.result
        if len(result) > MAX_SHOWN_RESULT:
            result = f"{result[:MAX_SHOWN_RESULT]}…"
        shown = {"tool": self.call.name, "arguments": arguments, "error" if outcome.failed else "result": result}
        try:
            return json.dumps(shown, ensure_ascii=False)
        except RecursionError:
            return json.dumps({**shown, "arguments": written[:MAX_SHOWN_ARGUMENTS]}, ensure_ascii=False)


class ToolRound:
    """What the assistant said before it used tools, and what came of them, which may become known later."""

    def __init__(self, text: str, uses: Sequence[ToolUse]) -> None:
        self.text = text
        self.uses = uses
        self.cut_short = False
        """The caller took the turn before the reply was heard to its end, which is when callers are transferred or hung
        up on, and keys pressed.
        """

    def heard(self, heard: str, *, cut_short: bool) -> str:
        """The reply is over. `heard` begins with what the caller heard of this round; returns what follows."""
        self.cut_short = cut_short
        written = len(self.text)
        self.text = heard[:written]
        return heard[written:].lstrip()

    def messages(self) -> list[Message]:
        """The round as the model is told of it."""
        # Some servers read the arguments of earlier calls and fail for good where they are no JSON (vLLM does).
        calls = [
            use.call if isinstance(_parsed(use.call.arguments), dict) else replace(use.call, arguments="{}")
            for use in self.uses
        ]
        results = [Message("tool", self.outcome_of(use).result, tool_call_id=use.call.id) for use in self.uses]
        return [Message("assistant", self.text, tool_calls=tuple(calls)), *results]

    def outcome_of(self, use: ToolUse) -> ToolOutcome:
        """What came of one of them, in this round."""
        if use.outcome is None:
            return ToolOutcome(CUT_OFF, failed=True)
        outcome = use.outcome
        comes_last = outcome.end_call or outcome.transfer_to is not None or outcome.keys is not None
        return ToolOutcome(NOT_DONE, failed=True) if comes_last and self.cut_short else outcome


class ToolUses:
    """All tools at work in one call, and what the world is told of them.

    A tool whose reply was cut off goes on: what was sent can't be called back, and its result is worth knowing. The
    end of the call cancels it. `on_late` is called when the result of one that was left so has come.
    """

    def __init__(self, tools: Tools, line: Line, journal: Journal, spawn: Spawn, on_late: Callable[[], None]) -> None:
        self._tools = tools
        self._line = line
        self._journal = journal
        self._spawn = spawn
        self._on_late = on_late
        self._left: list[ToolUse] = []
        self._at_work: set[asyncio.Task[None]] = set()

    def begin(self, call: ToolCall) -> ToolUse:
        """Use a tool; one that is still at the same for an earlier reply is waited for instead."""
        self._line.publish(ToolUsed(call.name))
        use = ToolUse(call)
        same = next((left for left in self._left if left.is_same_as(call)), None)
        if same is not None:
            self._left.remove(same)
        use.task = self._spawn(self._work(use) if same is None else self._follow(use, same))
        self._at_work.add(use.task)
        use.task.add_done_callback(self._at_work.discard)
        return use

    def refuse(self, call: ToolCall, why: str) -> ToolUse:
        """Have the model told that this call is not carried out."""
        self._line.publish(ToolUsed(call.name))
        self._line.publish(ToolAnswered(call.name, failed=True))
        return ToolUse(call, ToolOutcome(f"Error: {why}", failed=True))

    def settle(self, used: ToolRound) -> None:
        """The reply is over: what is known of its tools goes into the record, what is not when it comes."""
        for use in used.uses:
            if use.outcome is None:
                self._left.append(use)
            else:
                self._journal.message("tool", use.record(used.outcome_of(use)))

    def close(self) -> None:
        """The call is over: whatever is still at work is cancelled."""
        for use in self._left:
            self._journal.note(f"tool {use.call.name} had not answered when the call ended, and was cancelled")
            self._journal.message("tool", use.record(ToolOutcome(CALL_ENDED, failed=True)))
        self._left.clear()
        for task in self._at_work:
            task.cancel()

    async def _work(self, use: ToolUse) -> None:
        self._answered(use, await self._tools.run(use.call))

    async def _follow(self, use: ToolUse, same: ToolUse) -> None:
        assert same.task is not None
        await asyncio.wait([same.task])
        if same.outcome is not None:
            self._answered(use, same.outcome)

    def _answered(self, use: ToolUse, outcome: ToolOutcome) -> None:
        use.outcome = outcome
        self._line.publish(ToolAnswered(use.call.name, outcome.failed))
        if use in self._left:
            self._left.remove(use)
            self._journal.message("tool", use.record(outcome))
            self._on_late()


def told_apart(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """The calls of one round, each with an id of its own and a name of bounded length."""
    taken: set[str] = set()
    apart = []
    for number, call in enumerate(calls):
        call_id = call.id if call.id not in taken else f"{call.id}-{number}"
        while call_id in taken:
            call_id += "x"
        taken.add(call_id)
        apart.append(replace(call, id=call_id, name=call.name[:MAX_NAME_CHARACTERS]))
    return apart


def _parsed(arguments: str) -> Any:
    """What the model wrote, as JSON where it is that, else as it is."""
    try:
        return json.loads(arguments.strip() or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return arguments


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
