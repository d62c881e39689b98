"""The demo's assistant, the tool it uses, and the caller who books a table with it."""

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

PLACE = "Luigi's restaurant"
NAME = f"Demo: {PLACE}"
GREETING = "Good evening, this is Luigi's restaurant. How can I help you?"

OPENING_LINE = "I would like to book a table please"
ANSWERS: Sequence[tuple[str, str]] = (
    (r"how many|people|party|guests", "for four people"),
    (r"\bday\b|\bdate\b|when", "on friday"),
    (r"\btime\b|what hour", "at seven in the evening"),
    (r"name", "my name is alice"),
    (r"anything else|else", "no thank you goodbye"),
)
"""What the caller answers to a question in which the pattern is found; the first that fits."""
NOT_UNDERSTOOD = "sorry can you say that again please"

CALLER_LINES = (OPENING_LINE, *(line for _, line in ANSWERS), NOT_UNDERSTOOD)


def answer_to(words: str) -> str:
    """What the caller says after the assistant's `words`; the last sentence counts."""
    question = re.split(r"(?<=[.!?])\s+", words.strip())[-1]
    for pattern, line in ANSWERS:
        if re.search(pattern, question, re.IGNORECASE):
            return line
    return NOT_UNDERSTOOD


def assistant(tool_url: str) -> dict[str, Any]:
    """The body of `POST /assistants`."""
    return {
        "name": NAME,
        "business_name": PLACE,
        "first_message": GREETING,
        "max_duration_seconds": 300,
        "stt_config": {"provider": "local", "model": "auto", "language": "en", "keyterms": list(CALLER_LINES)},
        "llm_config": {
            "provider": "local",
            "model": "demo",
            "messages": [{"role": "system", "content": "You take reservations for Luigi's restaurant."}],
            "tools": [
                {
                    "name": "book_table",
                    "description": "Book a table at the restaurant",
                    "url": tool_url,
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "people": {"type": "integer", "description": "how many people are coming"},
                            "day": {"type": "string", "description": "the day of the booking"},
                            "time": {"type": "string", "description": "the time of the booking"},
                            "name": {"type": "string", "description": "the name for the booking"},
                        },
                        "required": ["people", "day", "time", "name"],
                    },
                },
                {"type": "end_call"},
            ],
        },
        "tts_config": {"provider": "local", "voice_id": "en-gb", "model": "auto", "language": "en"},
    }


async def book_table(request: web.Request) -> web.Response:
    """The restaurant's own system: answers the tool call that the platform sends it."""
    message = (await request.json())["message"]
    results = []
    for call in message["tool_call_list"]:
        wish = call["function"]["arguments"]
        booked = (
            f"A table for {wish['people']} people on {wish['day']} at {wish['time']} is booked "
            f"for {wish['name']}. The booking number is 42."
        )
        results.append({"tool_call_id": call["id"], "result": booked})
    return web.json_response({"results": results})
