"""The toolbox of one call."""

from datetime import UTC, datetime

from dialtone.conversation.journal import Journal
from dialtone.conversation.placeholders import tool_values_of
from dialtone.conversation.plan import CallPlan
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.tools.envelope import CallContext, CallType
from dialtone.tools.toolbox import Toolbox

_CALL_TYPES: dict[str, CallType] = {
    "inbound": "inbound_phone_call",
    "outbound": "outbound_phone_call",
    "web": "web_call",
}


def make_toolbox(
    plan: CallPlan, http: GuardedHttp, journal: Journal, *, can_transfer: bool, can_send_dtmf: bool
) -> Toolbox:
    """What the assistant may do in this call; what can't be used is noted on the call."""
    stored = list(plan.llm_config.get("tools") or [])
    if plan.silence.enabled and not any(tool.get("type") in ("end_call", "endCall") for tool in stored):
        stored.append({"type": "end_call"})
    context = CallContext(
        call_id=plan.call_id,
        call_type=_CALL_TYPES[plan.direction],
        assistant=plan.assistant,
        phone_number_id=plan.number_id,
        phone_number=plan.assistant_number,
        phone_number_name=plan.number_name,
        customer_number=plan.caller_number,
        forwarded_from=plan.forwarded_from,
        webhook_url=plan.webhook_url,
        webhook_secret=plan.webhook_secret,
        webhook_events=plan.webhook_events,
    )
    return Toolbox.from_stored(
        stored,
        context,
        http,
        can_transfer=can_transfer,
        can_send_dtmf=can_send_dtmf,
        values=lambda: tool_values_of(plan, datetime.now(UTC)),
        on_note=journal.note,
    )
