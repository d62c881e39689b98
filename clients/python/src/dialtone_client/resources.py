"""One class per resource of the API.

Made from the OpenAPI document by scripts/generate_client.py; do not edit.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any, Literal, Unpack, cast  # noqa: F401

from dialtone_client import types
from dialtone_client.transport import Transport, quote


class AnalysisTemplates:
    """The operations of Analysis templates."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, **query: Unpack[types.ListAnalysisTemplatesQuery]) -> types.AnalysisTemplatesAnswer:
        """List analysis templates"""
        answer: Any = self._http.request("GET", "/analysis-templates", query=query)
        return cast("types.AnalysisTemplatesAnswer", answer)

    def create(self, **body: Unpack[types.AnalysisTemplateCreate]) -> types.AnalysisTemplateObject:
        """Create an analysis template"""
        answer: Any = self._http.request("POST", "/analysis-templates", body=body)
        return cast("types.AnalysisTemplateObject", answer["analysis_template"])

    def get(self, template_id: str) -> types.AnalysisTemplateObject:
        """Get an analysis template"""
        answer: Any = self._http.request("GET", f"/analysis-templates/{quote(template_id)}")
        return cast("types.AnalysisTemplateObject", answer["analysis_template"])

    def update(self, template_id: str, **body: Unpack[types.AnalysisTemplateUpdate]) -> types.AnalysisTemplateObject:
        """Change an analysis template. Only the given fields change."""
        answer: Any = self._http.request("PATCH", f"/analysis-templates/{quote(template_id)}", body=body)
        return cast("types.AnalysisTemplateObject", answer["analysis_template"])

    def delete(self, template_id: str) -> bool:
        """Delete an analysis template"""
        answer: Any = self._http.request("DELETE", f"/analysis-templates/{quote(template_id)}")
        return cast("bool", answer["success"])


class APIKeys:
    """The operations of API keys."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.ApiKeyObject]:
        """List API keys"""
        answer: Any = self._http.request("GET", "/api-keys")
        return cast("builtins.list[types.ApiKeyObject]", answer["api_keys"])

    def create(self, **body: Unpack[types.ApiKeyCreate]) -> types.NewApiKeyObject:
        """Create an API key. The key itself is in this answer and nowhere else."""
        answer: Any = self._http.request("POST", "/api-keys", body=body)
        return cast("types.NewApiKeyObject", answer["api_key"])

    def revoke(self, api_key_id: str) -> bool:
        """Revoke an API key. The key stops working at once, in other processes of the deployment within 10 seconds.
        The last key that works, and the one from the server's settings, can't be revoked.
        """
        answer: Any = self._http.request("DELETE", f"/api-keys/{quote(api_key_id)}")
        return cast("bool", answer["success"])


class Assistants:
    """The operations of Assistants."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.AssistantObject]:
        """List assistants"""
        answer: Any = self._http.request("GET", "/assistants")
        return cast("builtins.list[types.AssistantObject]", answer["assistants"])

    def create(self, **body: Unpack[types.AssistantCreate]) -> types.AssistantObject:
        """Create an assistant"""
        answer: Any = self._http.request("POST", "/assistants", body=body)
        return cast("types.AssistantObject", answer["assistant"])

    def get(self, assistant_id: str) -> types.AssistantObject:
        """Get an assistant"""
        answer: Any = self._http.request("GET", f"/assistants/{quote(assistant_id)}")
        return cast("types.AssistantObject", answer["assistant"])

    def update(self, assistant_id: str, **body: Unpack[types.AssistantUpdate]) -> types.AssistantObject:
        """Change an assistant. Only the given fields change. A given config block replaces the stored one whole."""
        answer: Any = self._http.request("PATCH", f"/assistants/{quote(assistant_id)}", body=body)
        return cast("types.AssistantObject", answer["assistant"])

    def delete(self, assistant_id: str) -> bool:
        """Delete an assistant"""
        answer: Any = self._http.request("DELETE", f"/assistants/{quote(assistant_id)}")
        return cast("bool", answer["success"])


class BYOK:
    """The operations of BYOK."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self) -> types.KeyIds:
        """List your own vendor keys. Which vendors' keys your organization has stored. Calls use them instead of the
        deployment's.
        """
        answer: Any = self._http.request("GET", "/byok")
        return cast("types.KeyIds", answer["byok_keys"])

    def set(self, **body: Unpack[types.KeyUpsert]) -> types.KeyChangeAnswer:
        """Store a vendor key. Store a key of a vendor, or replace the stored one. Calls that begin afterwards use
        it.
        """
        answer: Any = self._http.request("POST", "/byok", body=body)
        return cast("types.KeyChangeAnswer", answer)

    def delete(self, **body: Unpack[types.KeyRemoval]) -> types.KeyChangeAnswer:
        """Remove a vendor key. Remove a vendor's key and settings; calls use the deployment's key again, where there
        is one. A key that is not stored is as good as removed.
        """
        answer: Any = self._http.request("DELETE", "/byok", body=body)
        return cast("types.KeyChangeAnswer", answer)

    def save_config(self, **body: Unpack[types.ConfigChange]) -> dict[str, dict[str, Any]]:
        """Change a vendor's settings. Merge settings into those stored with a vendor's key, which must be there
        already.
        """
        answer: Any = self._http.request("POST", "/byok/config", body=body)
        return cast("dict[str, dict[str, Any]]", answer["byok_config"])


class Calls:
    """The operations of Calls."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, **query: Unpack[types.ListCallsQuery]) -> types.CallList:
        """List calls. The organization's calls, the newest first."""
        answer: Any = self._http.request("GET", "/calls", query=query)
        return cast("types.CallList", answer)

    def list_all(self, **query: Unpack[types.ListCallsQuery]) -> Iterator[types.CallObject]:
        """Every one that `list` finds, page by page."""
        while True:
            page = self.list(**query)
            yield from page["calls"]
            query["offset"] = query.get("offset", 0) + len(page["calls"])
            if not page["calls"] or query["offset"] >= page["pagination"]["total"]:
                return

    def get(self, call_id: str) -> types.CallObject:
        """Get a call. One call, while it runs or afterwards."""
        answer: Any = self._http.request("GET", f"/calls/{quote(call_id)}")
        return cast("types.CallObject", answer)

    def create_outbound(self, **body: Unpack[types.OutboundCallRequest]) -> types.OutboundCallCreated:
        """Place a call. Answers as soon as the call is being placed; the call's record tells how it goes on."""
        answer: Any = self._http.request("POST", "/calls/outbound", body=body)
        return cast("types.OutboundCallCreated", answer)

    def control(self, call_id: str, body: types.ControlCommand) -> types.CommandSent:
        """Control a live call. The call must be in progress. At most 10 commands a minute for one call."""
        answer: Any = self._http.request("POST", f"/calls/{quote(call_id)}/control", body=body)
        return cast("types.CommandSent", answer)


class Deployment:
    """The operations of Deployment."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self) -> types.Deployment:
        """What this deployment allows"""
        answer: Any = self._http.request("GET", "/deployment")
        return cast("types.Deployment", answer)


class Domains:
    """The operations of Domains."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self) -> types.DomainObject | None:
        """Get the e-mail domain"""
        answer: Any = self._http.request("GET", "/domains")
        return cast("types.DomainObject | None", answer["domain"])

    def create(self, **body: Unpack[types.DomainCreate]) -> types.DomainObject:
        """Add an e-mail domain. Makes it at Resend, with the organization's own key of Resend where it has stored
        one. The answer holds the DNS records to set.
        """
        answer: Any = self._http.request("POST", "/domains", body=body)
        return cast("types.DomainObject", answer["domain"])

    def delete(self) -> bool:
        """Delete the e-mail domain. At Resend too, unless it was chosen from your own Resend account."""
        answer: Any = self._http.request("DELETE", "/domains")
        return cast("bool", answer["success"])

    def verify(self) -> types.DomainObject:
        """Verify the DNS records of the e-mail domain. Resend looks them up after it has answered, so the status
        reads `pending` first; `POST /domains/refresh` tells the outcome, for each record.
        """
        answer: Any = self._http.request("POST", "/domains/verify")
        return cast("types.DomainObject", answer["domain"])

    def refresh(self) -> types.DomainObject:
        """Read the e-mail domain's status from Resend"""
        answer: Any = self._http.request("POST", "/domains/refresh")
        return cast("types.DomainObject", answer["domain"])

    def list_resend(self) -> types.ResendDomainsAnswer:
        """List the domains of your Resend account. Needs the organization's own key of Resend, see `POST /byok`."""
        answer: Any = self._http.request("GET", "/domains/sync")
        return cast("types.ResendDomainsAnswer", answer)

    def sync_resend(self, **body: Unpack[types.DomainSync]) -> types.SyncedAnswer:
        """Use a domain of your Resend account. Instead of the one the organization had. Needs its own key of Resend,
        see `POST /byok`.
        """
        answer: Any = self._http.request("POST", "/domains/sync", body=body)
        return cast("types.SyncedAnswer", answer)


class Health:
    """The operations of Health."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self) -> types.Health:
        """Health of the server"""
        answer: Any = self._http.request("GET", "/health")
        return cast("types.Health", answer)


class Numbers:
    """The operations of Numbers."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.NumberObject]:
        """List phone numbers"""
        answer: Any = self._http.request("GET", "/numbers")
        return cast("builtins.list[types.NumberObject]", answer["numbers"])

    def create(self, **body: Unpack[types.NumberCreate]) -> types.NumberObject:
        """Register a phone number. A number rings in one organization: 409 where it is registered already, here or
        elsewhere.
        """
        answer: Any = self._http.request("POST", "/numbers", body=body)
        return cast("types.NumberObject", answer["number"])

    def get(self, number_id: str) -> types.NumberObject:
        """Get a phone number"""
        answer: Any = self._http.request("GET", f"/numbers/{quote(number_id)}")
        return cast("types.NumberObject", answer["number"])

    def update(self, number_id: str, **body: Unpack[types.NumberUpdate]) -> types.NumberObject:
        """Change a phone number. Only the given fields change; null detaches an assistant or a trunk."""
        answer: Any = self._http.request("PATCH", f"/numbers/{quote(number_id)}", body=body)
        return cast("types.NumberObject", answer["number"])

    def delete(self, number_id: str) -> bool:
        """Delete a phone number"""
        answer: Any = self._http.request("DELETE", f"/numbers/{quote(number_id)}")
        return cast("bool", answer["success"])


class Organizations:
    """The operations of Organizations."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self, **query: Unpack[types.GetOrganizationQuery]) -> types.OrganizationObject:
        """Get your organization. The organization that the API key belongs to, with its balance and what it has
        running.
        """
        answer: Any = self._http.request("GET", "/organizations", query=query)
        return cast("types.OrganizationObject", answer)

    def create(self, **body: Unpack[types.OrganizationCreate]) -> types.OrganizationCreated:
        """Create an organization. Make an organization below yours, or below one of those. It has its own
        assistants, numbers, calls and keys; its calls use the minutes of the top-level organization above it.
        """
        answer: Any = self._http.request("POST", "/organizations", body=body)
        return cast("types.OrganizationCreated", answer)

    def update(self, **body: Unpack[types.OrganizationUpdate]) -> types.OrganizationUpdated:
        """Change your organization. Set how long the content and the metadata of calls are kept: always both
        together. What is older is deleted every night, also of calls that were made before. The account's webhook
        can be changed alone.
        """
        answer: Any = self._http.request("PATCH", "/organizations", body=body)
        return cast("types.OrganizationUpdated", answer)


class Privacy:
    """The operations of Privacy."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def erase_caller(self, **body: Unpack[types.EraseRequest]) -> types.ErasureObject:
        """Erase a caller. Delete what was kept of one caller: transcripts, summaries, analyses, recordings, the
        number itself, webhooks and mails that tell of the calls, also those on their way, and chat messages. It
        goes on after this answer, also across a restart; ask `GET /privacy/erasures/{erasure_id}` whether it is
        done. Calls with the caller must be over.
        """
        answer: Any = self._http.request("POST", "/privacy/erase", body=body)
        return cast("types.ErasureObject", answer["erasure"])

    def get_erasure(self, erasure_id: str) -> types.ErasureObject:
        """Get an erasure. How far an erasure has come. It is known for 30 days after its end."""
        answer: Any = self._http.request("GET", f"/privacy/erasures/{quote(erasure_id)}")
        return cast("types.ErasureObject", answer["erasure"])

    def list_audit_log(self, **query: Unpack[types.ListAuditLogQuery]) -> types.AuditLogPage:
        """List the audit log. What was deleted of your organization's data, when, and by whom; newest first."""
        answer: Any = self._http.request("GET", "/audit-log", query=query)
        return cast("types.AuditLogPage", answer)

    def list_audit_log_all(self, **query: Unpack[types.ListAuditLogQuery]) -> Iterator[types.AuditLineObject]:
        """Every one that `list_audit_log` finds, page by page."""
        while True:
            page = self.list_audit_log(**query)
            yield from page["audit_log"]
            query["offset"] = query.get("offset", 0) + len(page["audit_log"])
            if not page["audit_log"] or query["offset"] >= page["pagination"]["total"]:
                return


class SIPTrunks:
    """The operations of SIP trunks."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.TrunkObject]:
        """List SIP trunks"""
        answer: Any = self._http.request("GET", "/sip-trunks")
        return cast("builtins.list[types.TrunkObject]", answer["trunks"])

    def create(self, **body: Unpack[types.TrunkCreate]) -> types.TrunkAnswer:
        """Create a SIP trunk"""
        answer: Any = self._http.request("POST", "/sip-trunks", body=body)
        return cast("types.TrunkAnswer", answer)

    def get(self, trunk_id: str) -> types.TrunkAnswer:
        """Get a SIP trunk"""
        answer: Any = self._http.request("GET", f"/sip-trunks/{quote(trunk_id)}")
        return cast("types.TrunkAnswer", answer)

    def update(self, trunk_id: str, **body: Unpack[types.TrunkUpdate]) -> types.TrunkAnswer:
        """Change a SIP trunk. Only the given fields change."""
        answer: Any = self._http.request("PATCH", f"/sip-trunks/{quote(trunk_id)}", body=body)
        return cast("types.TrunkAnswer", answer)

    def delete(self, trunk_id: str) -> bool:
        """Delete a SIP trunk. Numbers that transferred through it go on without one."""
        answer: Any = self._http.request("DELETE", f"/sip-trunks/{quote(trunk_id)}")
        return cast("bool", answer["success"])

    def list_events(self, trunk_id: str) -> builtins.list[types.TrunkEventObject]:
        """List what went wrong at a SIP trunk. The newest calls that were turned away or that the trunk could not
        carry, and why; changes of its registration; and when its server did not answer any more, or did again. A
        trunk by whose address other organizations call too shows only calls to your own numbers.
        """
        answer: Any = self._http.request("GET", f"/sip-trunks/{quote(trunk_id)}/events")
        return cast("builtins.list[types.TrunkEventObject]", answer["events"])


class ToolTemplates:
    """The operations of Tool templates."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.ToolTemplateObject]:
        """List tool templates"""
        answer: Any = self._http.request("GET", "/tool-templates")
        return cast("builtins.list[types.ToolTemplateObject]", answer["tool_templates"])

    def create(self, **body: Unpack[types.ToolTemplateCreate]) -> types.ToolTemplateObject:
        """Create a tool template"""
        answer: Any = self._http.request("POST", "/tool-templates", body=body)
        return cast("types.ToolTemplateObject", answer["tool_template"])

    def get(self, template_id: str) -> types.ToolTemplateObject:
        """Get a tool template"""
        answer: Any = self._http.request("GET", f"/tool-templates/{quote(template_id)}")
        return cast("types.ToolTemplateObject", answer["tool_template"])

    def update(self, template_id: str, **body: Unpack[types.ToolTemplateUpdate]) -> types.ToolTemplateObject:
        """Change a tool template. Only the given fields change."""
        answer: Any = self._http.request("PATCH", f"/tool-templates/{quote(template_id)}", body=body)
        return cast("types.ToolTemplateObject", answer["tool_template"])

    def delete(self, template_id: str) -> bool:
        """Delete a tool template"""
        answer: Any = self._http.request("DELETE", f"/tool-templates/{quote(template_id)}")
        return cast("bool", answer["success"])


class Usage:
    """The operations of Usage."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, **query: Unpack[types.ListUsageQuery]) -> types.UsageList:
        """List usage. A log of each call that has a duration, the newest first, and what all of the period come to."""
        answer: Any = self._http.request("GET", "/usage", query=query)
        return cast("types.UsageList", answer)

    def list_all(self, **query: Unpack[types.ListUsageQuery]) -> Iterator[types.UsageLog]:
        """Every one that `list` finds, page by page."""
        while True:
            page = self.list(**query)
            yield from page["logs"]
            query["offset"] = query.get("offset", 0) + len(page["logs"])
            if not page["logs"] or query["offset"] >= page["pagination"]["total"]:
                return


class Voices:
    """The operations of Voices."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> builtins.list[types.VoiceObject]:
        """List local voices. The voices that need no vendor: installed ones, and ones that can be fetched. A
        vendor's voices, such as those of ElevenLabs, are listed by the vendor.
        """
        answer: Any = self._http.request("GET", "/voices")
        return cast("builtins.list[types.VoiceObject]", answer["voices"])


class WebCalls:
    """The operations of Web calls."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(self, **body: Unpack[types.WebCallRequest]) -> types.WebCallCreated:
        """Make a web call. Prepare a web call. Its token lets one client talk to the assistant, within a minute."""
        answer: Any = self._http.request("POST", "/web-calls", body=body)
        return cast("types.WebCallCreated", answer)


class WebhookDeliveries:
    """The operations of Webhook deliveries."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, **query: Unpack[types.ListWebhookDeliveriesQuery]) -> types.DeliveryList:
        """List webhook deliveries. The events of your calls that are on their way, arrived, or were given up; newest
        first.
        """
        answer: Any = self._http.request("GET", "/webhook-deliveries", query=query)
        return cast("types.DeliveryList", answer)

    def list_all(self, **query: Unpack[types.ListWebhookDeliveriesQuery]) -> Iterator[types.DeliveryObject]:
        """Every one that `list` finds, page by page."""
        while True:
            page = self.list(**query)
            yield from page["webhook_deliveries"]
            query["offset"] = query.get("offset", 0) + len(page["webhook_deliveries"])
            if not page["webhook_deliveries"] or query["offset"] >= page["pagination"]["total"]:
                return

    def get_webhook_delivery(self, delivery_id: str) -> types.DeliveryDetails:
        """Get a webhook delivery. A delivery with what was sent, what came back, and every try."""
        answer: Any = self._http.request("GET", f"/webhook-deliveries/{quote(delivery_id)}")
        return cast("types.DeliveryDetails", answer["webhook_delivery"])

    def replay_webhook_delivery(self, delivery_id: str) -> types.DeliveryDetails:
        """Send a webhook again. Send an event again that arrived or was given up, under the same `X-Webhook-Id`, for
        up to a day.
        """
        answer: Any = self._http.request("POST", f"/webhook-deliveries/{quote(delivery_id)}/replay")
        return cast("types.DeliveryDetails", answer["webhook_delivery"])


class Resources:
    """Every resource, as an attribute."""

    def __init__(self, http: Transport) -> None:
        self.analysis_templates = AnalysisTemplates(http)
        self.api_keys = APIKeys(http)
        self.assistants = Assistants(http)
        self.byok = BYOK(http)
        self.calls = Calls(http)
        self.deployment = Deployment(http)
        self.domains = Domains(http)
        self.health = Health(http)
        self.numbers = Numbers(http)
        self.organizations = Organizations(http)
        self.privacy = Privacy(http)
        self.sip_trunks = SIPTrunks(http)
        self.tool_templates = ToolTemplates(http)
        self.usage = Usage(http)
        self.voices = Voices(http)
        self.web_calls = WebCalls(http)
        self.webhook_deliveries = WebhookDeliveries(http)
