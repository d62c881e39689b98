"""The one authority on what was said: what the model is told of the conversation so far."""

from collections.abc import Sequence

from dialtone.conversation.tool_use import ToolRound
from dialtone.providers.base import Message


class Transcript:
    """The conversation as the language model sees it. The assistant's part holds what the caller really heard, and a
    tool's result stands where the tool was called, also if it came later.
    """

    def __init__(self, opening: Sequence[Message]) -> None:
        self._parts: list[Message | ToolRound] = list(opening)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(
            message for part in self._parts for message in ([part] if isinstance(part, Message) else part.messages())
        )

    def with_user(self, text: str) -> tuple[Message, ...]:
        """The conversation as it would be if the caller had said `text` now."""
        messages = self.messages
        last = messages[-1] if messages else None
        if last is not None and last.role == "user":
            # Nothing of an answer was heard in between: the caller simply went on.
            return (*messages[:-1], Message("user", f"{last.content} {text}"))
        return (*messages, Message("user", text))

    def add_user(self, text: str) -> None:
        whole = self.with_user(text)[-1]
        last = self._parts[-1] if self._parts else None
        if isinstance(last, Message) and last.role == "user":
            self._parts.pop()
        self._parts.append(whole)

    def add_assistant(self, text: str) -> None:
        if text:
            self._parts.append(Message("assistant", text))

    def add_system(self, text: str) -> None:
        """Something the model is told that nobody said."""
        self._parts.append(Message("system", text))

    def add_tool_round(self, used: ToolRound) -> None:
        """The assistant said something, or nothing, and used tools."""
        self._parts.append(used)
