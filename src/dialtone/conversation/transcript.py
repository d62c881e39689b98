"""The one authority on what was said: what the model is told of the conversation so far."""

from dialtone.providers.base import Message, ToolCall


class Transcript:
    """The conversation as the language model sees it. The assistant's part holds what the caller really heard."""

    def __init__(self, opening: list[Message]) -> None:
        self._messages = list(opening)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def with_user(self, text: str) -> tuple[Message, ...]:
        """The conversation as it would be if the caller had said `text` now."""
        last = self._messages[-1] if self._messages else None
        if last is not None and last.role == "user":
            # Nothing of an answer was heard in between: the caller simply went on.
            return (*self._messages[:-1], Message("user", f"{last.content} {text}"))
        return (*self._messages, Message("user", text))

    def add_user(self, text: str) -> None:
        self._messages = list(self.with_user(text))

    def add_assistant(self, text: str) -> None:
        if text:
            self._messages.append(Message("assistant", text))

    def add_system(self, text: str) -> None:
        """Something the model is told that nobody said."""
        self._messages.append(Message("system", text))

    def add_tool_round(self, text: str, calls: tuple[ToolCall, ...], results: dict[str, str]) -> None:
        """The assistant said `text` (may be empty) and called tools; `results` by call id."""
        self._messages.append(Message("assistant", text, tool_calls=calls))
        for call in calls:
            self._messages.append(Message("tool", results[call.id], tool_call_id=call.id))
