"""Asking a language model something after a call, and holding it to the form of the answer."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import jsonschema_rs

from dialtone.platform.json_rules import validator_of
from dialtone.platform.problems import field_path
from dialtone.platform.strict_json import InvalidJsonError, parse
from dialtone.providers.base import LanguageModel, Message, ProviderError, ReplyDone, TextDelta
from dialtone.providers.use import VendorUse, estimated_tokens

REPLY_SECONDS = 180.0
REPLY_CHARACTERS = 100_000
TOLD_PROBLEMS = 10
"""Problems that the model is told at most."""
SHOWN_PROBLEMS = 5


class UnfitAnswerError(Exception):
    """The model's answer has not the form that was asked for, also when it was told so. Its words hold no content."""


class Questions:
    """The questions about one call to one model; counts what they use."""

    def __init__(self, model: LanguageModel, provider: str, name: str) -> None:
        self._model = model
        self._provider = provider
        self._name = name
        self._input_tokens = 0
        self._output_tokens = 0
        self._estimated = False

    @property
    def uses(self) -> tuple[VendorUse, ...]:
        if not self._input_tokens and not self._output_tokens:
            return ()
        use = VendorUse(
            "postcall_llm",
            self._provider,
            self._name,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            estimated=self._estimated,
        )
        return (use,)

    async def text(self, messages: Sequence[Message]) -> str:
        """The model's answer. Raises `ProviderError`."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await self._answer(messages)
        except TimeoutError:
            raise ProviderError(self._provider, f"no complete answer within {REPLY_SECONDS:g} seconds") from None

    async def data(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> dict[str, Any]:
        """The object that the model answers with; told what is wrong with it, it may try once more.

        Raises `ProviderError`, `UnfitAnswerError`, and `ValueError` for a schema that can't be used.
        """
        validator = await asyncio.to_thread(validator_of, schema)
        answer = await self.text(messages)
        data, told, _ = await asyncio.to_thread(_read, answer, validator)
        if data is None:
            again = [
                *messages,
                Message("assistant", answer),
                Message(
                    "user", f"This does not fit:\n{told}\nAnswer again with the whole corrected JSON object alone."
                ),
            ]
            data, _, shown = await asyncio.to_thread(_read, await self.text(again), validator)
            if data is None:
                raise UnfitAnswerError(f"the model's answer does not fit, also after it was told so: {shown}")
        return data

    async def _answer(self, messages: Sequence[Message]) -> str:
        written: list[str] = []
        size, reported = 0, False
        async with aclosing(self._model.reply(messages, [])) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, TextDelta):
                    written.append(event.text)
                    size += len(event.text)
                    if size > REPLY_CHARACTERS:
                        raise ProviderError(self._provider, "the answer is too long", retryable=False)
                elif isinstance(event, ReplyDone) and event.input_tokens is not None:
                    reported = True
                    self._input_tokens += event.input_tokens
                    self._output_tokens += event.output_tokens or 0
        text = "".join(written)
        if not reported:
            self._estimated = True
            self._input_tokens += estimated_tokens(*(message.content for message in messages))
            self._output_tokens += estimated_tokens(text)
        return text


def _read(answer: str, validator: jsonschema_rs.Validator) -> tuple[dict[str, Any] | None, str, str]:
    """The object in an answer, or None, what the model is told of it, and what the record may say of it."""
    body = answer[answer.find("{") : answer.rfind("}") + 1]
    try:
        data = parse(body.encode("utf-8", "replace"))
    except InvalidJsonError as problem:
        return None, f"It is no JSON object: {problem}", "it is no JSON object"
    if not isinstance(data, dict):
        return None, "It is no JSON object.", "it is no JSON object"
    problems = list(validator.iter_errors(data))
    if not problems:
        return data, "", ""
    told = [f"{json.dumps([*map(str, one.instance_path)])}: {one.message[:500]}" for one in problems[:TOLD_PROBLEMS]]
    # The value of a field is content; its place and the rule are not.
    shown = {f"{field_path(_place(one)) or 'the object'} breaks the rule {one.kind.name}" for one in problems}
    return None, "\n".join(told), "; ".join(sorted(shown)[:SHOWN_PROBLEMS])


def _place(problem: jsonschema_rs.ValidationError) -> list[int | str]:
    """Where in the schema the broken rule stands, by the properties that lead there: an answer may invent names."""
    path = problem.schema_path
    return [str(name) for before, name in pairwise(path) if before == "properties"]
