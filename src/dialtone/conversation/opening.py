"""What the language model is told before the first word."""

from collections.abc import Callable, Mapping

from dialtone.conversation.placeholders import fill
from dialtone.conversation.plan import CallPlan
from dialtone.providers.base import Message

DEFAULT_INSTRUCTIONS = (
    "You are {name}, speaking with a caller on the phone. Answer in one to three short spoken sentences, "
    "without lists, headings or symbols. Ask one question at a time."
)


def opening_messages(plan: CallPlan, values: Mapping[str, str], on_unknown: Callable[[str], None]) -> list[Message]:
    """The assistant's own messages with placeholders filled, or plain instructions where it has none."""
    stored = plan.llm_config.get("messages") or []
    messages = [Message(item["role"], fill(item["content"], values, on_unknown)) for item in stored]
    if not any(message.role == "system" for message in messages):
        name = plan.assistant_name or "an assistant"
        messages.insert(0, Message("system", DEFAULT_INSTRUCTIONS.format(name=name)))
    return messages
