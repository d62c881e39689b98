"""A call's report as mail: plain text, and the same as HTML. Everything in it comes from strangers and is escaped."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from dialtone.analysis.prompts import transcript_of
from dialtone.calls.ending import EndedCall
from dialtone.calls.results import Results, assistant_of
from dialtone.platform.db import iso

SUBJECT_CHARACTERS = 120
TRANSCRIPT_CHARACTERS = 100_000
VALUE_CHARACTERS = 5000


def subject_of(ended: EndedCall) -> str:
    """One line, whatever names and numbers hold."""
    assistant = assistant_of(ended)
    name = assistant.get("business_name") or assistant.get("name") or "your assistant"
    line = " ".join(f"Call {_with_whom(ended)}: {name}".split())
    return "".join(character for character in line if character.isprintable())[:SUBJECT_CHARACTERS]


def text_of(ended: EndedCall, results: Results) -> str:
    parts = ["\n".join(f"{name}: {value}" for name, value in _facts(ended, results).items())]
    for title, body in _sections(ended, results).items():
        parts.append(f"{title}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def html_of(ended: EndedCall, results: Results) -> str:
    facts = "".join(
        f'<tr><th align="left">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _facts(ended, results).items()
    )
    sections = "".join(
        f'<h3>{escape(title)}</h3><p style="white-space:pre-wrap">{escape(body)}</p>'
        for title, body in _sections(ended, results).items()
    )
    return (
        f'<!doctype html><html><head><meta charset="utf-8"></head><body><table>{facts}</table>{sections}</body></html>'
    )


def _with_whom(ended: EndedCall) -> str:
    context = ended.kept.context
    if context.call_type == "web_call":
        return "from the web"
    return f"{'with' if context.call_type == 'outbound_phone_call' else 'from'} {context.customer_number or 'unknown'}"


def _facts(ended: EndedCall, results: Results) -> dict[str, str]:
    call, assistant = ended.call, assistant_of(ended)
    seconds = call.duration_seconds or 0
    facts = {
        "Call": _with_whom(ended),
        "Assistant": str(assistant.get("name") or ""),
        "Business": str(assistant.get("business_name") or ""),
        "Began": "" if call.started_at is None else iso(call.started_at),
        "Duration": f"{seconds // 60}:{seconds % 60:02}",
        "Ended": (call.end_reason or "").replace("_", " "),
        "Problem": call.error or "",
        "Not found out": results.error or "",
        "Call id": call.id,
    }
    return {name: " ".join(value.split())[:VALUE_CHARACTERS] for name, value in facts.items() if value}


def _sections(ended: EndedCall, results: Results) -> dict[str, str]:
    sections = {
        "Summary": results.summary or "",
        "Analysis": "\n".join(f"{name}: {_shown(value)}" for name, value in (results.analysis or {}).items()),
        "Transcript": transcript_of(ended.messages)[:TRANSCRIPT_CHARACTERS],
    }
    return {title: body for title, body in sections.items() if body}


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value[:VALUE_CHARACTERS]
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)[:VALUE_CHARACTERS]
    return json.dumps(value)
