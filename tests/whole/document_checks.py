"""What schemathesis checks beside its own checks: a request that fits the document is refused only for what JSON Schema
can't say.

`schemathesis.toml` lets positive requests of some operations be answered with 400; this holds those answers to the
reasons below, for every operation.
"""

import re
from typing import Any

import schemathesis

UNSAYABLE = tuple(
    re.compile(reason)
    for reason in (
        # What is stored decides.
        r": must be the id of (one of your|an assistant of your) ",
        r"number_id: must be the id of an active number",
        r"is the mask of a secret, and none is stored",
        r"cursor: must be empty, or the next_cursor of this list",
        r"_retention_days: must be one of .* \(got null\)$",
        r"^tool_config\.destinations: is required$",  # a change of a template whose type is transfer_call
        r"^name: must begin with a letter or _, .*, or tool_config\.name must be given$",
        r"^Commands are taken only while the call is in progress",
        # Two values of one request decide.
        r"cursor: can't be combined with offset",
        r"agent_id: is the older name of assistant_id; give one of them",
        r"agent_id: must be the same as assistant_id",
        r"agent_id and assistant_id must be the same, or only one be given",
        r"endpointing_max_delay: must be at least endpointing_min_delay",
        r"^port: must equal the port in host",
        r"^auth_username: is required beside auth_password",
        r"must not have two tools of one name",
        r"\.(query|body): needs method$",
        r"url: may hold placeholders only with method",
        r"url: is required with method$",
        r"body: can't be sent with GET",
        r"must hold only placeholders of the tool's arguments",
        r"headers: must not hold .* twice",
        # The clock decides.
        r"^expires_at: must be in the future",
        # What JSON Schema has no words for: sizes in bytes, classes of characters, schemas of schemas, networks.
        r"must (be|have) at most \d+ bytes",
        r"those of one role must have at most \d+ characters together",
        r"must have at least 2 letters or digits",
        r"is not valid JSON Schema",
        r"must have at most \d+ values, at most \d+ levels deep",
        r"headers: must not hold .*, which the server itself sets",
        r"must not lead to the non-public address",
        r"must spell an address as four decimal numbers",
        r"must not contain a user name or password",
    )
)


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Leave out the examples of single fields, around each of which schemathesis would take seconds to build a whole
    assistant. Examples of whole requests stay; that all of them fit is tested beside the document's other qualities.
    """
    _without_examples_of_fields(raw_schema)


def _without_examples_of_fields(node: Any) -> None:
    if isinstance(node, dict):
        properties = node.get("properties")
        for field in properties.values() if isinstance(properties, dict) else ():
            if isinstance(field, dict):
                field.pop("examples", None)
        for child in node.values():
            _without_examples_of_fields(child)
    elif isinstance(node, list):
        for child in node:
            _without_examples_of_fields(child)


@schemathesis.check
def refused_only_for_what_a_schema_cannot_say(
    _context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    if response.status_code != 400 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    answer: dict[str, Any] = response.json()
    reasons = answer.get("details") or [answer["message"]]
    others = [reason for reason in reasons if not any(known.search(reason) for known in UNSAYABLE)]
    assert not others, f"The document allows this request, and the server does not: {others}"
