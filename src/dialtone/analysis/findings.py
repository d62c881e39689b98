"""What is found out about one call: its summary, the data that its plan asks for, and whether it was a success."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from dialtone.analysis import prompts
from dialtone.analysis.asking import Questions, UnfitAnswerError
from dialtone.assistants.schemas import AnalysisPlan
from dialtone.providers import factory
from dialtone.providers.addresses import BASE_URLS
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from dialtone.providers.use import VendorUse

logger = logging.getLogger(__name__)

FIRST_TOKEN_SECONDS = 60.0
"""Nobody waits on the line, and a long transcript takes time to read."""
SUMMARY_CHARACTERS = 4000
VERDICT = "success_evaluation"
"""Where the verdict stands in the analysis."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call that is over, as far as a model needs to know it."""

    assistant: Mapping[str, Any]
    """The resolved assistant as webhooks show it."""
    postcall_llm: Mapping[str, Any] | None
    """The model for this work; None: the assistant's own."""
    messages: Sequence[Mapping[str, Any]]
    end_reason: str | None
    duration_seconds: int
    caller_number: str | None


@dataclass(slots=True)
class Findings:
    """What was found out so far."""

    summary: str | None = None
    analysis: dict[str, Any] | None = None
    errors: list[str] = field(default_factory=list)
    """What could not be found out, and why: in words, without content."""
    failure: ProviderError | None = None
    """The vendor did not serve, and may do so later."""
    uses: list[VendorUse] = field(default_factory=list)

    @property
    def error(self) -> str | None:
        return "; ".join(self.errors) or None


async def examine(call: Conversation, vendors: Vendors) -> Findings:
    """Find out all that is wanted. A part that fails is told in `errors` or `failure`, the others go on."""
    findings = Findings()
    if not prompts.said(call.messages):
        return findings
    plan = _plan(call, findings)
    config = _model_config(call, vendors)
    if config["provider"] == "local":
        findings.summary = prompts.extract(call.messages)
        if plan is not None:
            findings.errors.append("the analysis needs a language model: the demo model is a script; set postcall_llm")
        return findings
    try:
        model = factory.language_model(config, vendors, first_token_seconds=FIRST_TOKEN_SECONDS)
    except ProviderError as error:
        findings.errors.append(error.words(quoting=not vendors.no_retention))
        return findings
    questions = Questions(model, str(config["provider"]), str(config["model"]))
    await _Examination(call, questions, findings, quoting=not vendors.no_retention).run(plan)
    findings.uses += questions.uses
    return findings


class _Examination:
    def __init__(self, call: Conversation, questions: Questions, findings: Findings, *, quoting: bool) -> None:
        """`quoting`: a vendor's own words may be told, which may repeat what it was sent."""
        self._quoting = quoting
        self._call = call
        self._questions = questions
        self._findings = findings
        self._transcript = prompts.transcript_of(call.messages)

    async def run(self, plan: AnalysisPlan | None) -> None:
        try:
            await self._summarize()
            if plan is not None:
                await self._find_data(plan)
                await self._judge(plan)
        except ProviderError as error:
            if error.retryable:
                self._findings.failure = error
            self._findings.errors.append(error.words(quoting=self._quoting))

    async def _summarize(self) -> None:
        text = await self._questions.text(prompts.summary_prompt(self._transcript, _language(self._call)))
        text = text.replace("\x00", "").encode("utf-8", "replace").decode().strip()
        if text:
            self._findings.summary = text if len(text) <= SUMMARY_CHARACTERS else f"{text[: SUMMARY_CHARACTERS - 1]}…"
        else:
            self._findings.errors.append("the model wrote no summary")

    async def _find_data(self, plan: AnalysisPlan) -> None:
        wanted = plan.structured_data_plan
        if wanted is None or not wanted.enabled:
            return
        if wanted.data_schema is None:
            self._findings.errors.append("structured_data_plan has no schema")
            return
        given = [(message.role, message.content) for message in wanted.messages or ()]
        values = {
            "transcript": self._transcript,
            "summary": self._findings.summary or "",
            "ended_reason": self._call.end_reason or "",
            "duration": str(self._call.duration_seconds),
            "caller_number": self._call.caller_number or "",
        }
        asked = prompts.data_prompt(given, wanted.data_schema, values)
        data = await self._data("structured data", asked, wanted.data_schema)
        if data is not None:
            self._findings.analysis = data

    async def _judge(self, plan: AnalysisPlan) -> None:
        wanted = plan.success_evaluation
        if wanted is None or not wanted.enabled:
            return
        if VERDICT in (self._findings.analysis or {}):
            self._findings.errors.append(f"the success is not judged: the schema has a property {VERDICT} of its own")
            return
        asked, schema = prompts.verdict_prompt(wanted.rubric, wanted.prompt, self._transcript)
        verdict = await self._data("success evaluation", asked, schema)
        if verdict is not None:
            self._findings.analysis = {**(self._findings.analysis or {}), VERDICT: {"rubric": wanted.rubric, **verdict}}

    async def _data(self, what: str, asked: Any, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return await self._questions.data(asked, schema)
        except UnfitAnswerError as error:
            self._findings.errors.append(f"{what}: {error}")
        except ValueError as error:
            self._findings.errors.append(f"{what}: the schema can't be used: {error}")
        return None


def _plan(call: Conversation, findings: Findings) -> AnalysisPlan | None:
    """The assistant's plan, where anything of it is to be done."""
    stored = call.assistant.get("analysis_plan")
    if not stored:
        return None
    try:
        plan = AnalysisPlan.model_validate(stored)
    except ValidationError:
        findings.errors.append("the assistant's analysis_plan can't be understood; save it again")
        return None
    data, success = plan.structured_data_plan, plan.success_evaluation
    wanted = (data is not None and data.enabled) or (success is not None and success.enabled)
    return plan if wanted and len(prompts.said(call.messages)) >= plan.min_messages_threshold else None


def _model_config(call: Conversation, vendors: Vendors) -> Mapping[str, Any]:
    """The model for this work. The catalog's choice for a vendor is worth nothing where its address is another
    server's, which has models of its own: there the assistant's own model works on.
    """
    own: Mapping[str, Any] = call.assistant["llm_config"]
    config = call.postcall_llm
    if config is None:
        return own
    provider = str(config["provider"])
    elsewhere = provider in BASE_URLS and vendors.base_urls.get(provider, BASE_URLS[provider]) != BASE_URLS[provider]
    if elsewhere and call.assistant.get("postcall_llm") is None and own["provider"] == provider:
        return own
    return config


def _language(call: Conversation) -> str | None:
    """The language to write in, as a BCP 47 tag; None: the caller's."""
    for name in ("postcall_llm", "stt_config", "tts_config"):
        language = (call.assistant.get(name) or {}).get("language")
        if language and language != "multi":
            return str(language)
    return None
