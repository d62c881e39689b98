"""Who may call in: a trunk by its IP address, by the address that it was registered with, or by its user name and
password.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from dialtone.numbers.service import InboundNumber, Numbers
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.numbering import Numbering
from dialtone.sip.admission import Accept, Admission, Challenge, RequestFacts, Silence
from dialtone.sip.events import IncomingCall, LoginRefused
from dialtone.telephony.dialled import called_numbers, user_of
from dialtone.telephony.directory import TrunkDirectory
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.uses import CallingTrunk

logger = logging.getLogger(__name__)

REALM = "dialtone"

QUIET_SECONDS = 60.0
"""How long nothing more is written down of strangers at a trunk: they may be many."""
MAX_QUIET = 10_000


@dataclass(frozen=True, slots=True)
class Meant:
    """What a call that came in is for."""

    trunk: CallingTrunk | None
    """By which it came, as far as that is known."""
    number: InboundNumber | None
    """None: nobody registered what was called, or not the trunk's organization."""
    called: str | None
    """What was called, in E.164; None where that is another organization's, or not known."""
    is_foreign: bool = False
    """The number is another organization's."""


class Doorkeeper:
    """Strangers are not answered. Whoever is let in is known by the trunks that they may be."""

    def __init__(
        self,
        numbers: Numbers,
        directory: TrunkDirectory,
        events: TrunkEvents,
        registered_as: Callable[[str], str | None],
    ) -> None:
        """`registered_as`: the id of the trunk that is registered with this user in its address."""
        self._numbers = numbers
        self._directory = directory
        self._events = events
        self._registered_as = registered_as
        self._quiet: dict[tuple[str, int], float] = {}
        """Trunks and statuses, and until when no more is written down."""

    async def admit(self, facts: RequestFacts) -> Admission:
        """See `dialtone.sip.admission`."""
        registered = self._registered_as(user_of(facts.request_uri))
        if registered is not None:
            return Accept(registered)
        if await self._directory.at(facts.source):
            return Accept()
        number, trunks = await self._called_by_stranger(facts.request_uri, facts.to_uri)
        that_log_in = [trunk for trunk in trunks if trunk.logs_in]
        if number is not None and not that_log_in and facts.method == "INVITE":
            words = (
                f"A call came from {facts.source} port {facts.source_port} ({facts.transport}), which is none of the "
                "trunk's addresses, and was not answered."
            )
            await self._note(trunks, 408, words, number.phone_number)
        if not that_log_in:
            return Silence()
        claimed = [trunk for trunk in that_log_in if trunk.auth_username == facts.username]
        try:
            password = claimed[0].password() if claimed else None
        except SecretKeyError as problem:
            logger.error("a SIP trunk's password can't be read: %s", problem)
            password = None
        return Challenge(REALM, password, ",".join(trunk.id for trunk in claimed))

    async def login_refused(self, event: LoginRefused) -> None:
        """Somebody used trunks' user name with a wrong password."""
        source = f"{event.source} port {event.source_port}"
        words = f"Somebody at {source} used the trunk's user name with a wrong password."
        await self._note(await self._directory.get(event.tag.split(",")), 401, words)

    async def meant(self, invitation: IncomingCall) -> Meant:
        """Which trunk a call came by, and whom it is for. What a trunk calls is read as the trunk writes numbers."""
        trunks = await self._trunks_of(invitation)
        party = invitation.called_party
        uris = invitation.request_uri, party.uri if party is not None else None, invitation.called.uri
        by_numbering = _by_numbering(trunks)
        readings = {numbering: called_numbers(numbering, *uris) for numbering in by_numbering}
        if len(trunks) == 1 and trunks[0].outbound_number is not None and trunks[0].id == invitation.tag:
            readings[trunks[0].numbering].append(trunks[0].outbound_number)
        found = await self._registered(number for numbers in readings.values() for number in numbers)
        for numbering, numbers in readings.items():
            for number in (found[each] for each in numbers if each in found):
                for trunk in by_numbering[numbering]:
                    if trunk.organization_id == number.organization_id:
                        return Meant(trunk, number, number.phone_number)
        if len({trunk.organization_id for trunk in trunks}) != 1:
            return Meant(None, None, None, is_foreign=bool(found))
        called = next((number for number in readings[trunks[0].numbering] if number not in found), None)
        return Meant(trunks[0], None, called, is_foreign=bool(found))

    async def _trunks_of(self, invitation: IncomingCall) -> list[CallingTrunk]:
        if not invitation.tag:
            return await self._directory.at(invitation.source)
        return await self._directory.get(invitation.tag.split(","))

    async def _called_by_stranger(self, *uris: str) -> tuple[InboundNumber | None, list[CallingTrunk]]:
        """The number that is called, whosever it is, and the organization's trunks that write it like this."""
        readings = {each: called_numbers(each, *uris) for each in await self._directory.numberings()}
        found = await self._registered(number for numbers in readings.values() for number in numbers)
        for number in found.values():
            trunks = await self._directory.of(number.organization_id)
            writing = [trunk for trunk in trunks if number.phone_number in readings.get(trunk.numbering, ())]
            if writing:
                return number, writing
        return None, []

    async def _registered(self, numbers: Iterable[str]) -> dict[str, InboundNumber]:
        asked = set(numbers)
        if not asked:
            return {}
        return await self._numbers.for_inbound_among(asked)

    async def _note(self, trunks: Collection[CallingTrunk], status: int, words: str, called: str | None = None) -> None:
        at = asyncio.get_running_loop().time()
        for trunk in trunks:
            if self._quiet.get((trunk.id, status), at) > at:
                continue
            if len(self._quiet) >= MAX_QUIET:
                self._quiet.clear()
            self._quiet[trunk.id, status] = at + QUIET_SECONDS
            await self._events.note(trunk.organization_id, trunk.id, status, words, called)


def _by_numbering(trunks: Iterable[CallingTrunk]) -> dict[Numbering, list[CallingTrunk]]:
    found: dict[Numbering, list[CallingTrunk]] = {}
    for trunk in trunks:
        found.setdefault(trunk.numbering, []).append(trunk)
    return found
