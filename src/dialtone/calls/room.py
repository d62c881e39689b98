"""Calls put together: records, live calls, and the door that callers come through."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter

from dialtone.assistants.service import Assistants
from dialtone.byok.service import Byok
from dialtone.calls import routes_telephony
from dialtone.calls.control import CallControl
from dialtone.calls.ending import Endings
from dialtone.calls.inbound import Inbound
from dialtone.calls.listing import CallListing
from dialtone.calls.live import LiveCalls, RunsCalls
from dialtone.calls.node import node_id
from dialtone.calls.outbound import Outbound
from dialtone.calls.presence import Presence
from dialtone.calls.recording_urls import RecordingUrls
from dialtone.calls.recordings import Recordings
from dialtone.calls.routes import CallRoutes
from dialtone.calls.service import Calls
from dialtone.calls.tables import Call
from dialtone.calls.ways_out import WaysOut
from dialtone.calls.writer import CallWriter
from dialtone.jobs.jobs import Jobs
from dialtone.lines.outbound import Dialer
from dialtone.lines.websocket.door import Admission, Refusal, WebSocketDoor
from dialtone.lines.websocket.socket_line import CLOSE_BUSY
from dialtone.media.audio import AudioFormat
from dialtone.numbers.service import Numbers
from dialtone.organizations.service import Organizations
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.platform.node_bus import NodeBus
from dialtone.platform.rate_limits import RateLimits
from dialtone.providers.factory import open_vendors
from dialtone.providers.prices import Prices
from dialtone.settings import Settings
from dialtone.storage.location import Location
from dialtone.trunks.channels import Channels
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.service import Trunks
from dialtone.webhooks.service import Webhooks

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 30.0
FLUSH_SECONDS = 10.0
"""How long a stopping server waits for the database to take the last of its calls."""


class CallsRoom:
    """Build it with the app, `start` it on the event loop once the database is migrated, `stop` it at the end."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        secrets: Secrets,
        organizations: Organizations,
        assistants: Assistants,
        byok: Byok,
        numbers: Numbers,
        trunks: Trunks,
        trunk_events: TrunkEvents,
        rate_limits: RateLimits,
        jobs: Jobs,
        webhooks: Webhooks,
        outgoing: GuardedHttp,
        make_engine: Callable[[], RunsCalls],
    ) -> None:
        """`make_engine` is called on the event loop. Raises `OSError` where the data directory can't be written,
        `ValueError` for a file of prices that can't be used.
        """
        self._settings = settings
        self._database = database
        self._make_engine = make_engine
        self._writer = CallWriter(database)
        self.prices = Prices.load(settings.prices_file)
        self._open = contextlib.AsyncExitStack()
        node = self.node = node_id(settings.data_dir)
        self.channels = Channels(database)
        location = Location.from_settings(settings)
        self.recordings = Recordings(settings.data_dir, database, jobs, node, location)
        urls = RecordingUrls(secrets, settings.recording_url_seconds)
        self.endings = Endings(
            database,
            secrets,
            jobs,
            webhooks,
            self.recordings,
            partial(_recording_url, settings, urls),
            self.channels,
        )
        self.calls = Calls(database, secrets, organizations, assistants, byok, webhooks, self.endings, node)
        self.inbound = Inbound(self.calls, organizations, assistants, byok, outgoing)
        """For what brings calls in."""
        self.listing = CallListing(database, secrets)
        self.live: LiveCalls | None = None
        self.dialers: list[Dialer] = []
        """What can place calls; the first that can use a trunk does."""
        self._bus = None if database.is_sqlite else NodeBus(database, node, lambda asked: self._control.answer(asked))
        # The recording of a lost node's call lies on that node's disk: it tells nothing here.
        lost = partial(self.calls.end_left_open, lambda _: None)
        self._presence = None if database.is_sqlite else Presence(database, node, lambda other: lost(node=other))
        self._control = CallControl(self.calls, self.started, node, self._bus, rate_limits, settings.control_rate_limit)
        self._ways_out = WaysOut(database, numbers, byok, trunks, self.channels, trunk_events, self.dialers)
        self._outbound = Outbound(self.calls, organizations, self._ways_out, self.started)
        self._stopping = False
        self.door = WebSocketDoor(self._claim)
        self._routes = CallRoutes(self.calls, self.listing, self.recordings, urls, settings, self.prices.currency)

    def routers(self) -> list[APIRouter]:
        return [*self._routes.routers(), routes_telephony.router(self._outbound, self._control)]

    async def start(self) -> None:
        """Be ready for callers."""
        await self.calls.end_left_open(self.recordings.files.seconds)
        await self.calls.fail_unused()
        await self.recordings.start()
        vendors = await self._open.enter_async_context(open_vendors(self._settings))
        self._writer.start()
        self.live = LiveCalls(
            self._settings,
            self.calls,
            self._make_engine(),
            self._writer,
            vendors,
            self.endings,
            self.recordings,
            self.prices,
            self._ways_out,
            is_sqlite=self._database.is_sqlite,
        )
        if self._bus is not None and self._presence is not None:
            await self._bus.start()
            self._open.push_async_callback(self._bus.stop)
            await self._presence.start()
            self._open.push_async_callback(self._presence.stop)
        sweeping = asyncio.get_running_loop().create_task(self._sweep())
        self._open.callback(sweeping.cancel)

    async def stop(self, drain_seconds: float = 0.0) -> None:
        """Let the calls come to an end, and write the last of them down. Idempotent."""
        if self.live is not None and not self._stopping:
            self._stopping = True
            self.live.refuse()
            await self.door.close()
            await self.live.stop(drain_seconds)
            await self._writer.close(FLUSH_SECONDS)
            await self.calls.close()
        await self._open.aclose()

    def hurry(self) -> None:
        """End the calls that a running `stop` still lets go on."""
        if self.live is not None:
            self.live.end_all()

    @property
    def live_calls(self) -> int:
        """Calls under way now."""
        return len(self.live) if self.live is not None else 0

    async def flush(self) -> None:
        """Wait until everything that live calls have told so far is in the database."""
        await self._writer.flush()

    def started(self) -> LiveCalls:
        """The live calls, for what brings calls in. Raises `ApiError` (503) before the start."""
        if self.live is None:
            raise ApiError(503, "not_ready", "Service unavailable", "The server is not taking calls now.")
        return self.live

    async def _claim(self, token: str, audio: AudioFormat) -> Admission | Refusal:
        if self.live is None:
            return Refusal("server_shutdown", "The server is not taking calls now.", CLOSE_BUSY)
        return await self.live.claim(token, audio)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.calls.fail_unused()
                await self.listing.merge_counters()
            except Exception as problem:
                logger.warning("calls could not be swept (%s); trying again", type(problem).__name__)


def _recording_url(settings: Settings, urls: RecordingUrls, call: Call) -> str | None:
    """Where a report's receiver gets the recording; None where this server was not told how others reach it."""
    if settings.public_url is None or call.recording is None or call.started_at is None:
        return None
    return urls.sign(settings.public_url.rstrip("/"), call.id, settings.report_recording_url_seconds)
