"""Who may call in: a trunk by its IP address, by the address that it was registered with, or by its user name and
password.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dialtone.numbers.service import InboundNumber, Numbers
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.numbering import Numbering
from dialtone.sip.admission import Accept, Admission, Challenge, RequestFacts, Silence
from dialtone.sip.events import IncomingCall, LoginRefused
from dialtone.telephony.dialled import as_dialled, called_numbers, user_of
from dialtone.telephony.directory import TrunkDirectory
from dialtone.telephony.misdialled import FOREIGN, INACTIVE, UNKNOWN, why
from dialtone.telephony.strangers import Strangers
from dialtone.trunks.uses import CallingTrunk

logger = logging.getLogger(__name__)

REALM = "dialtone"


@dataclass(frozen=True, slots=True)
class Meant:
    """What a call that came in is for."""

    trunk: CallingTrunk | None
    """By which it came, as far as that is known."""
    number: InboundNumber | None
    """None: what was called is no active number, or not of the trunk's organization."""
    called: str | None
    """What was called, in E.164; None where that is another organization's, or not known."""
    is_foreign: bool = False
    """The number is another organization's."""
    why: str = UNKNOWN
    """Why there is no number, and what can be done about it."""
    dialled: str | None = None
    """What was dialled as the trunk wrote it, where it is nobody's number."""
    inactive: InboundNumber | None = None
    """The organization's number that was called and is not active."""


class Doorkeeper:
    """Strangers are not answered. Whoever is let in is known by the trunks that they may be."""

    def __init__(
        self,
        numbers: Numbers,
        directory: TrunkDirectory,
        strangers: Strangers,
        registered_as: Callable[[str], str | None],
    ) -> None:
        """`registered_as`: the id of the trunk that is registered with this user in its address."""
        self._numbers = numbers
        self._directory = directory
        self._strangers = strangers
        self._registered_as = registered_as

    async def admit(self, facts: RequestFacts) -> Admission:
        """See `dialtone.sip.admission`."""
        registered = self._registered_as(user_of(facts.request_uri))
        if registered is not None:
            return Accept(registered)
        if await self._directory.at(facts.source):
            return Accept()
        number, trunks = await self._called_by_stranger(facts.request_uri, facts.to_uri)
        if number is None:
            return Silence()
        that_log_in = [trunk for trunk in trunks if trunk.logs_in]
        calls = facts.method == "INVITE"
        if not that_log_in:
            if calls:
                await self._strangers.not_answered(trunks, facts, number.phone_number)
            return Silence()
        claimed = [trunk for trunk in that_log_in if trunk.auth_username == facts.username]
        if facts.realm == REALM:
            self._strangers.tries(facts)
            if calls and not claimed:
                await self._strangers.unknown_user(that_log_in, facts, number.phone_number)
        elif calls:
            self._strangers.asked(trunks, facts, number.phone_number)
        try:
            password = claimed[0].password() if claimed else None
        except SecretKeyError as problem:
            logger.error("a SIP trunk's password can't be read: %s", problem)
            password = None
        return Challenge(REALM, password, ",".join(trunk.id for trunk in claimed))

    async def login_refused(self, event: LoginRefused) -> None:
        """Somebody used trunks' user name with a wrong password."""
        await self._strangers.wrong_password(await self._directory.get(event.tag.split(",")), event)

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
            return Meant(None, None, None, is_foreign=bool(found), why=FOREIGN if found else UNKNOWN)
        called = next((number for number in readings[trunks[0].numbering] if number not in found), None)
        if found:
            return Meant(trunks[0], None, called, is_foreign=True, why=FOREIGN)
        return await self._misdialled(invitation, trunks, readings.values(), called)

    async def _misdialled(
        self,
        invitation: IncomingCall,
        trunks: list[CallingTrunk],
        readings: Iterable[list[str]],
        called: str | None,
    ) -> Meant:
        """A call by an organization's trunks for no active number of anybody."""
        numbers = {number for numbers in readings for number in numbers}
        inactive = await self._numbers.inactive_among(trunks[0].organization_id, numbers)
        if inactive is not None:
            return Meant(trunks[0], None, inactive.phone_number, why=INACTIVE, inactive=inactive)
        party = invitation.called_party.uri if invitation.called_party is not None else None
        at_contact = self._registered_as(user_of(invitation.request_uri)) == trunks[0].id
        # The registered address stays between the provider and us: whoever knows it may call.
        asked = None if at_contact else invitation.request_uri
        dialled = as_dialled(asked, party, invitation.called.uri)
        words = why(trunks, dialled, is_number=bool(numbers), at_contact=at_contact)
        return Meant(trunks[0], None, called, why=words, dialled=dialled)

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


def _by_numbering(trunks: Iterable[CallingTrunk]) -> dict[Numbering, list[CallingTrunk]]:
    found: dict[Numbering, list[CallingTrunk]] = {}
    for trunk in trunks:
        found.setdefault(trunk.numbering, []).append(trunk)
    return found
