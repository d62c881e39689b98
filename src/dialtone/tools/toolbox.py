"""All tools of one call: what the model is told of them, and what happens when it uses one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.base import ToolCall, ToolSpec
from dialtone.tools.answers import ToolFailedError
from dialtone.tools.arguments import ArgumentsError, ArgumentsSchema, SchemaError
from dialtone.tools.base import TIMEOUT_SECONDS, Destination, Tool, ToolConfigError, normalise
from dialtone.tools.envelope import CallContext
from dialtone.tools.rest import call_rest
from dialtone.tools.webhook import address_of, call_webhook

MAX_BACKGROUND_CALLS = 16
BACKGROUND_STARTED = "The tool was started; its result will not be known in this call."


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What one use of a tool came to."""

    result: str
    """For the model. A failure is told here in words, too."""
    failed: bool = False
    end_call: bool = False
    """Say goodbye and hang up."""
    transfer_to: Destination | None = None
    """Hand the caller over once `spoken_first` was said."""
    spoken_first: str | None = None
    keys: str | None = None
    """Press these, pauses among them, once the answer was heard."""


@dataclass(frozen=True, slots=True)
class _Entry:
    tool: Tool
    schema: ArgumentsSchema


class Toolbox:
    """Belongs to one call, which closes it.

    `values` gives what the call itself puts into a REST API's placeholders. `notes` says what an operator should know
    about tools that can't be used; `on_note` gets the same, and later every failure of a tool and every call of the
    model that was refused. Neither holds content of the call.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        context: CallContext,
        http: GuardedHttp,
        *,
        can_transfer: bool = True,
        can_send_dtmf: bool = True,
        values: Callable[[], Mapping[str, str]] = dict,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        self.notes: list[str] = []
        self._on_note = on_note
        self._context = context
        self._http = http
        self._can_transfer = can_transfer
        self._can_send_dtmf = can_send_dtmf
        self._values = values
        self._entries: dict[str, _Entry] = {}
        self._background: set[asyncio.Task[None]] = set()
        for tool in tools:
            self._add(tool)

    @classmethod
    def from_stored(
        cls,
        stored: Sequence[Mapping[str, Any]],
        context: CallContext,
        http: GuardedHttp,
        *,
        can_transfer: bool = True,
        can_send_dtmf: bool = True,
        values: Callable[[], Mapping[str, str]] = dict,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> Self:
        """From `llm_config.tools` as stored. A tool that can't be used is left out and noted; the call goes on."""
        tools, problems = [], []
        for index, config in enumerate(stored):
            try:
                tools.append(normalise(config))
            except ToolConfigError as error:
                problems.append(f"tool {index + 1} is left out: {error}")
        toolbox = cls(
            tools,
            context,
            http,
            can_transfer=can_transfer,
            can_send_dtmf=can_send_dtmf,
            values=values,
            on_note=on_note,
        )
        for problem in problems:
            toolbox._note(problem)
        return toolbox

    def _add(self, tool: Tool) -> None:
        if tool.kind == "mcp":
            self._note(f"the tools of MCP server {tool.mcp_server_id} are left out: this version cannot use them")
            return
        if tool.name in self._entries:
            self._note(f"a second tool named {tool.name} is left out")
            return
        try:
            schema = ArgumentsSchema(tool.parameters)
        except SchemaError as error:
            self._note(f"tool {tool.name} is left out: its parameters {error}")
            return
        if tool.kind == "webhook" and address_of(tool, self._context) is None:
            self._note(f"tool {tool.name} has no URL, and the assistant no webhook that takes tool calls")
        self._entries[tool.name] = _Entry(tool, schema)

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._on_note(text)

    def specs(self) -> list[ToolSpec]:
        """The tools as the language model is told of them."""
        return [
            ToolSpec(entry.tool.name, entry.tool.description, entry.tool.parameters) for entry in self._entries.values()
        ]

    def waiting_message(self, name: str) -> str | None:
        """What to say while `run` is under way, for a tool that is waited for."""
        entry = self._entries.get(name)
        if entry is None or entry.tool.kind != "webhook" or entry.tool.is_async:
            return None
        return entry.tool.message

    async def run(self, call: ToolCall) -> ToolOutcome:
        """Use a tool. Never raises but when cancelled; takes 10 seconds at most."""
        entry = self._entries.get(call.name)
        if entry is None:
            self._on_note("the model called a tool that does not exist")
            known = ", ".join(self._entries) or "none"
            return _failure(f"there is no tool named {call.name[:64]!r}. Available: {known}.")
        try:
            arguments = entry.schema.read(call.arguments)
        except ArgumentsError as error:
            self._on_note(f"the model's arguments of tool {call.name} were refused: {error.summary}")
            return _failure(f"the arguments of {call.name} were refused: {error}. Correct them and try again.")
        tool = entry.tool
        if tool.kind == "end_call":
            return ToolOutcome("The call is being ended.", end_call=True)
        if tool.kind == "transfer_call":
            return self._transfer(tool, arguments)
        if tool.kind == "send_dtmf":
            return self._press(arguments)
        if tool.is_async:
            return self._start(tool, call.id, arguments)
        try:
            return ToolOutcome(await self._ask(tool, call.id, arguments))
        except ToolFailedError as error:
            self._on_note(f"tool {tool.name} failed: {error.summary}")
            return _failure(f"{tool.name} failed: {error}")

    async def _ask(self, tool: Tool, call_id: str, arguments: dict[str, Any]) -> str:
        if tool.method is not None:
            return await call_rest(tool, arguments, self._values(), self._http)
        return await call_webhook(tool, call_id, arguments, self._context, self._http)

    def _transfer(self, tool: Tool, arguments: dict[str, Any]) -> ToolOutcome:
        if not self._can_transfer:
            return _failure("this line cannot transfer calls. Tell the caller, and help in another way.")
        chosen = next(choice for choice in tool.destinations if choice.number == arguments["destination"])
        return ToolOutcome("The caller is being transferred.", transfer_to=chosen, spoken_first=chosen.message)

    def _press(self, arguments: dict[str, Any]) -> ToolOutcome:
        if not self._can_send_dtmf:
            return _failure("this line has no keys. Tell the caller, and help in another way.")
        return ToolOutcome("The keys were pressed.", keys=arguments["digits"])

    def _start(self, tool: Tool, call_id: str, arguments: dict[str, Any]) -> ToolOutcome:
        if len(self._background) >= MAX_BACKGROUND_CALLS:
            return _failure(f"{tool.name} was not started: {MAX_BACKGROUND_CALLS} tools are still running.")
        task = asyncio.create_task(self._finish(tool, call_id, arguments))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return ToolOutcome(tool.message or BACKGROUND_STARTED)

    async def _finish(self, tool: Tool, call_id: str, arguments: dict[str, Any]) -> None:
        try:
            await self._ask(tool, call_id, arguments)
        except ToolFailedError as error:
            self._on_note(f"async tool {tool.name} failed: {error.summary}")

    async def close(self, grace_seconds: float = TIMEOUT_SECONDS) -> None:
        """End the async tools. What the model started just before the end still gets `grace_seconds` to arrive."""
        if not self._background:
            return
        _, late = await asyncio.wait(self._background, timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _failure(reason: str) -> ToolOutcome:
    return ToolOutcome(f"Error: {reason}", failed=True)
