"""The demo dialogue: where a conversation stands, worked out from its messages alone, and what comes next."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dialtone.providers.base import Message, ToolSpec
from dialtone.providers.local.demo import wording
from dialtone.providers.local.demo.values import NO, YES, Parameter, find_value
from dialtone.providers.local.demo.words import SAME_MEANING, alike, says_any, telling_words, words_of

END_CALL = "end_call"
HELLO = ("hello", "hi", "hey", "good morning", "good afternoon", "good evening", "good day")
FAREWELL = ("bye", "goodbye", "bye bye", "see you", "hang up", "that's all", "that is all", "that will be all")
THANKS = ("thanks", "thank you", "cheers")
WHO = (
    "who are you",
    "what are you",
    "are you a robot",
    "are you human",
    "are you real",
    "are you a machine",
    "your name",
)
HELP = ("help", "what can you do", "what do you do", "options", "how does this work")
REPEAT = ("repeat", "say that again", "come again", "pardon", "what did you say", "say again")
ABANDON = ("never mind", "nevermind", "forget it", "cancel that", "stop", "start over")
LONGEST_ABANDONING = 4
ENOUGH_TO_MATCH = 2.0
NAME_WEIGHT, DESCRIPTION_WEIGHT = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """What the model does next: words to say, and a tool to call after them."""

    text: str
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


class Script:
    """One conversation, replayed from its first message; the last caller's words decide the next step."""

    def __init__(self, tools: Sequence[ToolSpec], today: date) -> None:
        self._tools = [tool for tool in tools if tool.name != END_CALL]
        self._can_hang_up = any(tool.name == END_CALL for tool in tools)
        self._today = today
        self._task: ToolSpec | None = None
        self._values: dict[str, Any] = {}
        self._said = ""
        self._served = False

    def next_step(self, messages: Sequence[Message]) -> Step:
        step = self._reply_to_silence()
        for message in messages:
            if message.role == "user":
                step = self._hear(message.content)
            elif message.role == "tool":
                self._served = True
                step = Step(f"{wording.result(message.content)} {wording.ANYTHING_ELSE}")
            elif message.role == "assistant":
                if message.tool_calls:
                    self._task, self._values = None, {}
                self._said = message.content or self._said
                step = self._reply_to_silence()
        return step

    def _reply_to_silence(self) -> Step:
        if self._task is not None:
            return self._ask()
        return Step(wording.ANYTHING_ELSE if self._said else wording.GREETING)

    def _hear(self, said: str) -> Step:
        if says_any(said, REPEAT):
            return Step(self._said or wording.GREETING)
        if says_any(said, WHO):
            return self._go_on(wording.SELF_DESCRIPTION)
        if says_any(said, HELP) and self._match(said) is None:
            return self._go_on(wording.abilities(self._tools))
        return self._hear_answer(said) if self._task is not None else self._hear_wish(said)

    def _go_on(self, text: str) -> Step:
        """Say `text`, then come back to what was under way."""
        return Step(f"{text} {self._question() if self._task else 'What would you like?'}")

    def _hear_wish(self, said: str) -> Step:
        task = self._match(said)
        finished = self._served and says_any(said, NO)
        if says_any(said, FAREWELL) or (finished and (task is None or words_of(said)[0] in NO)):
            return self._part()
        if task is None and says_any(said, YES) and len(self._tools) == 1:
            task = self._tools[0]
        if task is not None:
            self._task = task
            self._fill(said, asked=None)
            return self._ask(wording.STARTING)
        if says_any(said, THANKS):
            return self._part() if self._served else Step(f"{wording.WELCOME} {wording.ANYTHING_ELSE}")
        if says_any(said, HELLO):
            return Step(wording.GREETING)
        if says_any(said, YES):
            return self._go_on(wording.abilities(self._tools))
        return Step(f"{wording.NOT_UNDERSTOOD} {wording.SELF_DESCRIPTION} {wording.abilities(self._tools)}")

    def _hear_answer(self, said: str) -> Step:
        before = len(self._values)
        self._fill(said, asked=self._missing()[0])
        if len(self._values) > before:
            return self._ask(wording.UNDERSTOOD)
        if says_any(said, FAREWELL):
            return self._part()
        if _abandons(said):
            self._task, self._values = None, {}
            return Step(f"{wording.ABANDONED} {wording.ANYTHING_ELSE}")
        return Step(f"{wording.NOT_UNDERSTOOD} {self._question()}")

    def _part(self) -> Step:
        self._task, self._values = None, {}
        return Step(wording.GOODBYE, END_CALL if self._can_hang_up else None)

    def _ask(self, lead: str = "") -> Step:
        """The next question, or the tool's call once nothing is missing."""
        assert self._task is not None
        if not self._missing():
            return Step(wording.CALLING, self._task.name, dict(self._values))
        return Step(f"{lead} {self._question()}".strip())

    def _question(self) -> str:
        missing = self._missing()
        return wording.question(missing[0]) if missing else wording.ANYTHING_ELSE

    def _parameters(self) -> list[Parameter]:
        assert self._task is not None
        properties = self._task.parameters.get("properties") or {}
        return [Parameter(name, schema) for name, schema in properties.items() if isinstance(schema, dict)]

    def _missing(self) -> list[Parameter]:
        assert self._task is not None
        required = self._task.parameters.get("required") or ()
        return [each for each in self._parameters() if each.name in required and each.name not in self._values]

    def _fill(self, said: str, asked: Parameter | None) -> None:
        """Take from `said` the value that was asked for, and what the caller gave besides."""
        if asked is not None and _abandons(said):
            return
        for parameter in self._parameters():
            is_asked = asked is not None and parameter.name == asked.name
            if parameter.name in self._values and not is_asked:
                continue
            value = find_value(parameter, said, asked=is_asked, today=self._today)
            if value is not None:
                self._values[parameter.name] = value

    def _match(self, said: str) -> ToolSpec | None:
        """The tool that fits the caller's words best, if one fits well enough."""
        words = telling_words(said) + [word for word in words_of(said) if any(word in group for group in SAME_MEANING)]
        best, best_score = None, 0.0
        for tool in self._tools:
            score = _score(words, tool)
            if score > best_score:
                best, best_score = tool, score
        return best if best_score >= ENOUGH_TO_MATCH else None


def _abandons(said: str) -> bool:
    """Whether the caller gives up; within a longer answer the same words mean something else."""
    return says_any(said, ABANDON) and len(words_of(said)) <= LONGEST_ABANDONING


def _score(words: Sequence[str], tool: ToolSpec) -> float:
    names = set(telling_words(tool.name))
    described = set(telling_words(tool.description)) - names
    score = 0.0
    for meant, weight in [(name, NAME_WEIGHT) for name in names] + [(word, DESCRIPTION_WEIGHT) for word in described]:
        if any(alike(word, meant) for word in words):
            score += weight
    return score


def arguments_json(step: Step) -> str:
    return json.dumps(step.arguments)
