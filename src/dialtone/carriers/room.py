"""Calls over carriers' media streams, put together: requests, streams, and the way out."""

import logging

from fastapi import APIRouter

from dialtone.byok.service import Byok
from dialtone.calls.room import CallsRoom
from dialtone.carriers import routes
from dialtone.carriers.arrivals import Arrivals
from dialtone.carriers.seen import SeenCalls
from dialtone.lines.carriers.base import (
    Answer,
    BadHookError,
    CarrierError,
    DocumentWanted,
    Due,
    Hook,
    HookEvent,
    Incoming,
    Over,
    Ringing,
)
from dialtone.lines.carriers.catalog import make_carriers
from dialtone.lines.carriers.dialer import CarrierDialer
from dialtone.lines.carriers.waiting import CarrierCall, CarrierCalls
from dialtone.numbers.service import Numbers
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.settings import Settings

logger = logging.getLogger(__name__)


class CarriersRoom:
    """Build it with the app, `start` it when calls can be taken, `stop` it when they are over."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        numbers: Numbers,
        byok: Byok,
        calls: CallsRoom,
        http: GuardedHttp,
    ) -> None:
        public = (settings.public_url or "").rstrip("/")
        self._public = public
        self._node = (settings.node_url or public).rstrip("/")
        self._database = database
        self._numbers = numbers
        self._byok = byok
        self._room = calls
        self._carriers = make_carriers(http)
        self._calls = CarrierCalls(self._carriers, self._node)
        seen = SeenCalls(database)
        self._arrivals = Arrivals(self._calls, seen, numbers, calls.inbound, calls.calls, calls.started)

    def router(self) -> APIRouter:
        """The routes at the top of the server."""
        return routes.router(self._take, self._address)

    def start(self) -> None:
        """Take calls, and be able to place them, where this server knows how carriers reach it."""
        if self._public:
            self._room.door.serve_below("/carriers/", self._calls.open_stream)
            self._room.dialers.append(CarrierDialer(self._calls))

    async def drain(self) -> None:
        """Turn away whoever waits to be answered; calls that are under way go on."""
        await self._arrivals.close()

    async def stop(self) -> None:
        """Let the last orders reach the carriers. Idempotent."""
        await self._arrivals.close()
        await self._calls.close()

    def _address(self, token: str | None) -> str:
        """Raises `ApiError` (503)."""
        if not self._public:
            raise ApiError(
                503,
                "public_url_missing",
                "Service unavailable",
                "This server does not know how carriers reach it: set DIALTONE_PUBLIC_URL.",
            )
        return self._public if token is None else self._node

    async def _take(self, carrier: str, token: str | None, hook: Hook) -> Answer:
        """Raises `ApiError`: 404 for no carrier, 403 for every request that is not known to be genuine."""
        speaks = self._carriers.get(carrier)
        if speaks is None:
            raise ApiError(404, "not_found", "Not found")
        call = None if token is None else self._calls.find(carrier, token)
        try:
            event = speaks.read(hook)
            if isinstance(event, Incoming):
                call = None  # whose it is, only the number says
            account = await self._account(carrier, event.number) if call is None else call.account
            if account is None or not speaks.is_genuine(account, hook):
                raise _forbidden()
            if call is not None and not call.may_be(event.call):
                call = None  # another leg of it, which is none of ours
            return await self._heed(hook, account, call, event)
        except BadHookError:
            raise _forbidden() from None
        except (CarrierError, SecretKeyError) as problem:
            logger.error("a request of %s could not be heeded: %s", carrier, problem)
            raise ApiError(503, "not_ready", "Service unavailable") from None

    async def _account(self, carrier: str, called: str) -> CarrierAccount | None:
        """Of whoever has the number, if it is at this carrier."""
        number = await self._numbers.for_inbound(called)
        if number is None or number.carrier != carrier:
            return None
        async with self._database.read() as session:
            return await self._byok.carrier_account(session, number.organization_id, carrier)

    async def _heed(self, hook: Hook, account: CarrierAccount, call: CarrierCall | None, event: HookEvent) -> Answer:
        """Do what a genuine request asks. One of a call that is over changes nothing, and whoever was called in vain
        and answers after all is hung up on.
        """
        if isinstance(event, Incoming):
            return await self._arrivals.take(account, event)
        if isinstance(event, Due):
            await self._carriers[account.carrier].carry_on(account, event)
            return Answer()
        call = call or self._calls.of(account, event.call)
        if call is None:
            wants_document = isinstance(event, DocumentWanted)
            return self._carriers[account.carrier].end_document() if wants_document else Answer()
        match event:
            case Ringing():
                call.ringing()
            case Over(failure=failure, words=words):
                call.over(failure, words)
            case DocumentWanted() if hook.name == "transfer":
                return call.transfer_document()
            case DocumentWanted():
                return await call.carrier.connect(account, event.call, event.number, call.addresses)
            case _:
                pass
        return Answer()


def _forbidden() -> ApiError:
    """The same whatever is wrong: which numbers are here is nobody else's business."""
    return ApiError(403, "forbidden", "Forbidden")
