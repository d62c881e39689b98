"""The assistant-request: a customer's server is asked, once and briefly, who shall take a call that rings."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError
from dialtone.platform.json_text import to_json
from dialtone.platform.strict_json import InvalidJsonError, parse
from dialtone.platform.webhook_signing import webhook_headers
from dialtone.tools.envelope import CallContext, event_envelope
from dialtone.webhooks.events import ASSISTANT_REQUEST
from dialtone.webhooks.schedule import is_acknowledged

TIMEOUT_SECONDS = 5.0
MAX_RESPONSE_BYTES = 256 * 1024


class NoAnswerError(Exception):
    """The server gave no answer that can be used. `str()` says why, without content."""


async def ask_for_assistant(
    call: CallContext, http: GuardedHttp, *, clock: Callable[[], float] = time.time
) -> dict[str, Any]:
    """The object that the server at `call.webhook_url` answers with. `clock` is the Unix time in seconds.

    Raises `NoAnswerError`, after 5 seconds at the latest.
    """
    assert call.webhook_url is not None
    now = clock()
    body = to_json(event_envelope(ASSISTANT_REQUEST, call, datetime.fromtimestamp(now, UTC)))
    headers = webhook_headers(
        ASSISTANT_REQUEST, body, webhook_id=str(uuid.uuid4()), timestamp=int(now), secret=call.webhook_secret
    )
    try:
        answer = await http.request(
            "POST",
            call.webhook_url,
            headers=headers,
            body=body,
            total_seconds=TIMEOUT_SECONDS,
            max_response_bytes=MAX_RESPONSE_BYTES,
        )
    except GuardedRequestError as problem:
        raise NoAnswerError(str(problem)) from None
    if not is_acknowledged(answer.status):
        raise NoAnswerError(f"it answered with status {answer.status}")
    if not answer.body.strip():
        return {}
    try:
        document = parse(answer.body)
    except InvalidJsonError:
        raise NoAnswerError("its answer is not valid JSON") from None
    if not isinstance(document, dict):
        raise NoAnswerError("its answer is not a JSON object")
    return document
