"""Who may call in: a trunk by its IP address, or by its user name and password."""

import logging

from dialtone.numbers.service import InboundNumber, Numbers
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.db import Database
from dialtone.sip.admission import Accept, Admission, Challenge, RequestFacts, Silence
from dialtone.telephony.dialled import called_numbers
from dialtone.telephony.directory import TrunkDirectory
from dialtone.trunks.service import CallingTrunk

logger = logging.getLogger(__name__)

REALM = "dialtone"


class Doorkeeper:
    """Strangers are not answered. Whoever is let in is known by the organizations whose trunk they may be."""

    def __init__(self, database: Database, numbers: Numbers, directory: TrunkDirectory) -> None:
        self._database = database
        self._numbers = numbers
        self._directory = directory

    async def admit(self, facts: RequestFacts) -> Admission:
        """See `dialtone.sip.admission`."""
        at_address = await self._directory.at(facts.source)
        if at_address:
            return Accept(tag_of(at_address))
        number = await self.number(called_numbers(facts.request_uri, facts.to_uri))
        if number is None:
            return Silence()
        trunks = [
            trunk
            for trunk in await self._directory.of(number.organization_id)
            if trunk.auth_username and trunk.has_password
        ]
        if not trunks:
            return Silence()
        claimed = next((trunk for trunk in trunks if trunk.auth_username == facts.username), None)
        try:
            password = None if claimed is None else claimed.password()
        except SecretKeyError as problem:
            logger.error("a SIP trunk's password can't be read: %s", problem)
            password = None
        return Challenge(REALM, password, tag_of(trunks))

    async def number(self, dialled: list[str]) -> InboundNumber | None:
        """The number that was called, whosever it is."""
        async with self._database.read() as session:
            for number in dialled:
                if (found := await self._numbers.for_inbound(session, number)) is not None:
                    return found
        return None


def tag_of(trunks: list[CallingTrunk]) -> str:
    """What a call carries from the door to whoever takes it: the organizations that it may be of, each with the trunk
    that it came by.
    """
    by_organization = {trunk.organization_id: trunk.id for trunk in reversed(trunks)}
    return ",".join(f"{owner}/{trunk_id}" for owner, trunk_id in sorted(by_organization.items()))


def trunks_of(tag: str) -> dict[str, str]:
    """Ids of the trunks by their organizations."""
    return dict(_pair(part) for part in tag.split(","))


def _pair(part: str) -> tuple[str, str]:
    owner, _, trunk_id = part.partition("/")
    return owner, trunk_id
