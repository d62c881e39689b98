"""The one place where parts are built and joined."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from dialtone import __version__
from dialtone.analysis.mailing import Mailing
from dialtone.analysis.service import Analysis
from dialtone.assistants import openapi as assistants_openapi
from dialtone.assistants import routes as assistants_routes
from dialtone.assistants.service import Assistants
from dialtone.audit import routes as audit_routes
from dialtone.audit.service import AuditLog
from dialtone.byok import routes as byok_routes
from dialtone.byok.service import Byok
from dialtone.calls import control_schemas
from dialtone.calls.forgetting import Forgetting
from dialtone.calls.room import CallsRoom
from dialtone.carriers.room import CarriersRoom
from dialtone.chats import routes as chats_routes
from dialtone.chats.service import Chats
from dialtone.conversation.engine import Engine
from dialtone.domains import routes as domains_routes
from dialtone.domains.accounts import Accounts
from dialtone.domains.service import Domains
from dialtone.jobs.jobs import Jobs
from dialtone.media.clock import MediaClock
from dialtone.media.vad import VoiceDetector
from dialtone.numbers import routes as numbers_routes
from dialtone.numbers.service import Numbers
from dialtone.organizations import api_keys_routes
from dialtone.organizations import routes as organizations_routes
from dialtone.organizations.accounts import Counts, OrganizationAccounts
from dialtone.organizations.api_keys import ApiKeys, KeyUses
from dialtone.organizations.service import Organizations, check_key
from dialtone.platform import data_directory, deployment, errors, health, openapi, routing
from dialtone.platform.admission import Admission
from dialtone.platform.auth import Authenticator
from dialtone.platform.crypto import Secrets
from dialtone.platform.data_keys import DataKeys
from dialtone.platform.db import Database
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.platform.http import BodyLimit
from dialtone.platform.identify import Identify
from dialtone.platform.loop_watchdog import LoopWatchdog
from dialtone.platform.rate_limits import rate_limits_of
from dialtone.platform.routing import API
from dialtone.platform.smtp import MailServer
from dialtone.privacy import routes as privacy_routes
from dialtone.privacy.forgetting import CallTraces
from dialtone.privacy.room import PrivacyRoom
from dialtone.settings import Settings
from dialtone.telephony.room import TelephonyRoom
from dialtone.templates import analysis_routes, tool_routes
from dialtone.templates.analysis_templates import AnalysisTemplates
from dialtone.templates.tool_templates import ToolTemplates
from dialtone.trunks import routes as trunks_routes
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.registrations import Registrations
from dialtone.trunks.service import Trunks
from dialtone.voices import routes as voices_routes
from dialtone.voices.service import Voices
from dialtone.webhooks import routes as webhooks_routes
from dialtone.webhooks.room import WebhooksRoom

JOBS_STOP_SECONDS = 5.0
"""How long durable work under way may go on when the server stops."""

DESCRIPTION = """
AI assistants that answer and place real phone calls.

Every request but the health check carries `Authorization: Bearer <API key>`; the key decides the organization.
Errors are one flat object: `error`, `code`, and where they help `message` and `details`.
"""


class Parts:
    """Everything one process is made of. Reached as `app.state.parts`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        data_directory.make(settings.data_dir)
        if settings.api_key is not None:
            check_key(settings.api_key.get_secret_value())
        self._make_platform(settings)
        self._make_resources(settings)
        self._make_calls(settings)
        self.accounts = self._accounts(settings)
        # Started by whoever serves the app, once it is up.
        self.watchdog = LoopWatchdog(lambda: self.calls.live_calls > 0)

    def _make_platform(self, settings: Settings) -> None:
        """What every room uses, and who may use the rooms."""
        database = self.database = Database(settings)
        self.jobs = Jobs(database)
        self.secrets = Secrets.from_settings(settings)
        self.data_keys = DataKeys(database, self.secrets)
        self.api_keys = ApiKeys(database)
        self.key_uses = KeyUses(database)
        self.authenticator = Authenticator(self.api_keys.find, self.key_uses.note)
        self.rate_limits = rate_limits_of(database)
        self.organizations = Organizations(database, billing=settings.billing)
        # For addresses that customers name, and for those that the settings name.
        self.outgoing = GuardedHttp(allow_private_addresses=settings.allow_private_addresses)
        self.vendors = GuardedHttp(allow_private_addresses=True)

    def _make_resources(self, settings: Settings) -> None:
        """What organizations keep here."""
        database, secrets, private = self.database, self.secrets, settings.allow_private_addresses
        byok = self.byok = Byok(database, secrets, settings)
        self.assistants = Assistants(database, secrets, settings, byok.providers)
        self.trunks = Trunks(database, secrets)
        self.trunk_events = TrunkEvents(database)
        self.numbers = Numbers(database, self.assistants, self.trunks, settings.public_url)
        self.tool_templates = ToolTemplates(database, secrets, allow_private_addresses=private)
        self.analysis_templates = AnalysisTemplates(database)
        resend = Accounts(self.vendors, settings, lambda organization_id: byok.key(organization_id, "resend"))
        self.domains = Domains(database, resend)
        self.chats = Chats(database, self.assistants)
        self.voices = Voices(settings.data_dir)

    def _make_calls(self, settings: Settings) -> None:
        """Calls, and the durable work that they set off."""
        database, secrets = self.database, self.secrets
        self.clock = MediaClock()
        self.webhooks = WebhooksRoom(settings, database, secrets, self.jobs, self.outgoing)

        def make_engine() -> Engine:
            return Engine(settings.data_dir, self.outgoing, VoiceDetector(), self.clock)

        self.calls = CallsRoom(
            settings,
            database,
            secrets,
            self.organizations,
            self.assistants,
            self.byok,
            self.numbers,
            self.trunks,
            self.trunk_events,
            self.rate_limits,
            self.jobs,
            self.webhooks.webhooks,
            self.outgoing,
            make_engine,
        )
        registrations = Registrations(database, secrets)
        self.telephony = TelephonyRoom(
            settings, database, self.numbers, self.trunks, registrations, self.trunk_events, self.calls, self.clock
        )
        self.carriers = CarriersRoom(settings, database, self.numbers, self.byok, self.calls, self.vendors)
        mailing = Mailing(database, secrets, self.jobs, self.domains, MailServer.from_settings(settings))
        self.analysis = Analysis(
            settings,
            database,
            self.calls.endings,
            self.calls.recordings,
            self.byok,
            self.jobs,
            mailing,
            self.calls.prices,
        )

        self.audit = AuditLog(database)
        forgetting = Forgetting(secrets, self.calls.recordings, self.calls.endings)
        traces = CallTraces(forgetting, self.webhooks.webhooks, mailing)
        self.privacy = PrivacyRoom(settings, database, secrets, self.jobs, traces, self.chats, self.audit)

    def _accounts(self, settings: Settings) -> OrganizationAccounts:
        listing = self.calls.listing
        counts = Counts(
            self.numbers.count_active, self.assistants.count_active, listing.active_calls, listing.monthly_usage_minutes
        )
        return OrganizationAccounts(
            self.database, self.secrets, counts, allow_private_addresses=settings.allow_private_addresses
        )


def create_app(settings: Settings) -> FastAPI:
    """The whole server. Raises `ValueError` for settings that can't work, `OSError` where the data directory
    can't be written.
    """
    parts = Parts(settings)
    app = FastAPI(
        title="Dialtone",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Nothing is measured or sent by the framework itself.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.parts = parts
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(
        Identify,
        authenticator=parts.authenticator,
        rate_limits=parts.rate_limits,
        requests_a_minute=settings.rate_limit,
        free_paths=("/health", "/api/v1/health"),
    )
    app.add_middleware(routing.HeadAsGet)
    app.add_middleware(Admission)
    errors.install(app, routing.serve(app, _routers(parts)))
    openapi.describe(app, lambda: {**assistants_openapi.components(), **control_schemas.components()})
    return app


def _routers(parts: Parts) -> list[APIRouter]:
    return [
        health.router(parts.database, API),
        health.router(parts.database, "", in_schema=False),
        deployment.router(parts.settings, parts.database),
        api_keys_routes.router(parts.api_keys, parts.authenticator),
        *assistants_routes.routers(parts.assistants),
        trunks_routes.router(parts.trunks, parts.trunk_events),
        numbers_routes.router(parts.numbers),
        tool_routes.router(parts.tool_templates),
        analysis_routes.router(parts.analysis_templates),
        organizations_routes.router(parts.accounts),
        byok_routes.router(parts.byok),
        domains_routes.router(parts.domains),
        chats_routes.router(parts.chats),
        voices_routes.router(parts.voices),
        webhooks_routes.router(parts.webhooks.webhooks),
        privacy_routes.router(parts.privacy.privacy),
        audit_routes.router(parts.audit),
        *parts.calls.routers(),
        parts.carriers.router(),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    try:
        await parts.database.migrate()
        await parts.data_keys.start()
        await parts.organizations.ensure_first(parts.settings)
        await parts.analysis.start()
        await parts.calls.start()
        await parts.jobs.start()
        parts.key_uses.start()
        await parts.telephony.start()
        parts.carriers.start()
        yield
    finally:
        parts.watchdog.stop()
        await parts.telephony.drain()
        await parts.carriers.drain()
        await parts.calls.stop()
        await parts.telephony.stop()
        await parts.carriers.stop()
        await parts.jobs.stop(JOBS_STOP_SECONDS)
        await parts.calls.recordings.stop()
        await parts.analysis.stop()
        await _close_local_speech()
        await parts.webhooks.stop()
        await parts.outgoing.close()
        await parts.vendors.close()
        await parts.data_keys.stop()
        await parts.key_uses.close()
        await parts.assistants.close()
        await parts.numbers.close()
        await parts.byok.close()
        await parts.authenticator.close()
        await parts.rate_limits.close()
        await parts.database.close()


async def _close_local_speech() -> None:
    """End the worker processes of local speech, if a call has started any."""
    if local := sys.modules.get("dialtone.providers.local"):
        await local.close_local()
