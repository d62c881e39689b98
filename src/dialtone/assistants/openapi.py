"""Descriptions of the config blocks, from the catalog, for `/openapi.json`."""

from typing import Any

from pydantic.json_schema import models_json_schema

from dialtone.assistants import tools
from dialtone.assistants.resolving import TransientAssistant
from dialtone.assistants.schemas import AssistantOverride, PromptMessage
from dialtone.providers.catalog_schema import block_schema

_REF = "#/components/schemas/"
_TOOLS = {
    "FlatTool": tools.FlatTool,
    "NestedTool": tools.NestedTool,
    "EndCallTool": tools.EndCallTool,
    "SendDtmfTool": tools.SendDtmfTool,
    "TransferCallTool": tools.TransferCallTool,
    "McpTool": tools.McpTool,
}


def components() -> dict[str, Any]:
    """Component schemas that `assistants.schemas` refers to by name."""
    described_here = (*_TOOLS.values(), PromptMessage, AssistantOverride, TransientAssistant)
    models = [(model, "validation") for model in described_here]
    _, described = models_json_schema(models, ref_template=_REF + "{model}")  # type: ignore[arg-type]
    messages = {"type": "array", "maxItems": 100, "items": {"$ref": f"{_REF}PromptMessage"}}
    return {
        **described["$defs"],
        "Tool": {"anyOf": [{"$ref": _REF + name} for name in _TOOLS]},
        "SttConfig": block_schema("stt"),
        "LlmConfig": block_schema(
            "llm",
            messages=messages,
            tools={"type": "array", "maxItems": tools.MAX_TOOLS, "items": {"$ref": f"{_REF}Tool"}},
        ),
        "TtsConfig": block_schema("tts"),
        "PostCallStt": block_schema("postcall_stt"),
        "PostCallLlm": block_schema("postcall_llm"),
    }
