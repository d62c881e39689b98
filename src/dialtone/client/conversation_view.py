"""What the caller's side can tell of a conversation: its words, its latencies, and whether an answer is still due."""

from dataclasses import dataclass, field
from typing import Any

from dialtone.client.web_call import CallEvent


@dataclass
class ConversationView:
    """Follows a call's events."""

    transcript: list[dict[str, Any]] = field(default_factory=list)
    """`{"role", "text", "at"}`, `at` in seconds since the call was ready."""
    turns: list[dict[str, Any]] = field(default_factory=list)
    """One latency waterfall for each answer, in milliseconds."""
    errors: list[str] = field(default_factory=list)
    end_reason: str | None = None
    answer_due: bool = False
    """The caller said something, or a tool was used, and the assistant has not answered yet."""
    caller_speaking: bool = False
    assistant_speaking: bool = False
    changed_at: float = 0.0
    """When the last event came, in seconds since the call was ready."""
    _caller_began: float | None = None
    _assistant_began: float | None = None

    @property
    def at_rest(self) -> bool:
        """The caller has said something, it was answered, and nobody speaks."""
        spoken = any(line["role"] == "user" for line in self.transcript)
        return spoken and not (self.answer_due or self.caller_speaking or self.assistant_speaking)

    def take(self, event: CallEvent) -> dict[str, Any] | None:
        """Note an event. Returns the line of transcript that it adds, if any."""
        self.changed_at = event.at
        fields = event.fields
        match event.type:
            case "speech_started":
                self.caller_speaking, self._caller_began = True, event.at
            case "speech_stopped":
                self.caller_speaking = False
            case "transcript" if fields["final"] and fields["text"]:
                self.answer_due = True
                return self._line("user", fields["text"], self._caller_began, event.at)
            case "assistant_text":
                if self._assistant_began is None:
                    self._assistant_began = event.at
                self.answer_due, self.assistant_speaking = False, True
            case "assistant_heard":
                began, self._assistant_began = self._assistant_began, None
                self.assistant_speaking = False
                if fields["text"]:
                    return self._line("assistant", fields["text"], began, event.at, fields["interrupted"])
            case "tool_used":
                self.answer_due = True
            case "latency":
                self.turns.append(dict(fields["latency"]))
            case "error":
                self.errors.append(str(fields["message"]))
            case "end":
                self.end_reason = str(fields["end_reason"])
        return None

    def _line(
        self, role: str, text: str, began: float | None, ended: float, interrupted: bool = False
    ) -> dict[str, Any]:
        line: dict[str, Any] = {"role": role, "text": text, "at": round(ended if began is None else began, 3)}
        if interrupted:
            line["interrupted"] = True
        self.transcript.append(line)
        return line
