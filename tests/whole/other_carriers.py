"""Telnyx, Plivo and Vonage behind one face, for what is the same with all of them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode, encode
from tests.fakes.carrier_call import CarrierCall
from tests.fakes.plivo import FakePlivo, PlivoCall
from tests.fakes.server import FakeServer
from tests.fakes.telnyx import CONNECTION_ID, FakeTelnyx, TelnyxCall
from tests.fakes.vonage import FakeVonage, VonageCall
from tests.whole.carriers import CALLER, NUMBER, make_account
from tests.whole.house import SPEECH, WholeHouse


class Side(ABC):
    """A carrier with an account of the house."""

    name: str
    fake: Any
    secrets: tuple[str, ...]
    """That nobody but the carrier may see."""
    causes: ClassVar[dict[str, str]]
    """How the carrier calls what becomes of calls: `busy`, `no_answer`, `declined`."""

    @property
    def server(self) -> FakeServer:
        server: FakeServer = self.fake
        return server

    @property
    def base_urls(self) -> dict[str, str]:
        return {f"{self.name}_base_url": self.server.url}

    @abstractmethod
    async def open_account(self, house: WholeHouse) -> None: ...

    @abstractmethod
    async def ring(self, house: WholeHouse) -> Any:
        """Somebody calls the house's number."""

    @abstractmethod
    async def ask_again(self, house: WholeHouse, call: Any) -> int:
        """Send the request that told of a call once more."""

    @abstractmethod
    async def forge(self, house: WholeHouse) -> list[int]:
        """Tell of a call without a signature, and with a wrong one; returns the statuses of the answers."""

    @abstractmethod
    def refuse(self) -> None:
        """Do not place the next call."""

    def voice(self, house: WholeHouse) -> str:
        return f"{house.url}/carriers/{self.name}/voice"

    def status(self, house: WholeHouse) -> str:
        return f"{house.url}/carriers/{self.name}/status"

    async def dialled(self, call: Any) -> list[str]:
        """Whom the carrier was told to connect the far end of a call with."""
        await call.until(lambda: bool(call.dialled))
        whom: list[str] = call.dialled
        return whom

    async def placed(self) -> Any:
        """The call that the house placed."""
        await self.server.wait_until(lambda: bool(self.fake.calls))
        return next(iter(self.fake.calls.values()))


class TelnyxSide(Side):
    name = "telnyx"
    secrets = ("telnyx-secret-key",)
    causes: ClassVar[dict[str, str]] = {"busy": "user_busy", "no_answer": "timeout", "declined": "call_rejected"}

    def __init__(self) -> None:
        self.fake = FakeTelnyx(self.secrets[0])

    async def open_account(self, house: WholeHouse) -> None:
        key = self.fake.public_key
        await make_account(house, self.name, self.secrets[0], connection_id=CONNECTION_ID, public_key=key)

    async def ring(self, house: WholeHouse) -> TelnyxCall:
        call: TelnyxCall = await self.fake.ring(self.voice(house), CALLER, NUMBER)
        return call

    async def ask_again(self, house: WholeHouse, call: TelnyxCall) -> int:
        return await call.tell("call.initiated", state="parked")

    async def forge(self, house: WholeHouse) -> list[int]:
        call = TelnyxCall(self.fake, self.fake._client(), {"direction": "incoming", "from": CALLER, "to": NUMBER}, "")
        body = call.event("call.initiated")
        stale = self.fake.signature(body, age_seconds=301)
        wrong = FakeTelnyx("another").signature(body)
        return [await self.fake.post(self.voice(house), body, headers) for headers in ({}, wrong, stale)]

    async def dialled(self, call: TelnyxCall) -> list[str]:
        return [order["to"] for order in self.fake.asked("transfer")]

    def refuse(self) -> None:
        self.fake.refuse["dial"] = (422, "10015", "Invalid value for the destination")


class PlivoSide(Side):
    name = "plivo"
    secrets = ("plivo-auth-token",)
    causes: ClassVar[dict[str, str]] = {"busy": "busy", "no_answer": "no-answer", "declined": "rejected"}

    def __init__(self) -> None:
        self.fake = FakePlivo("MA0123456789ABCDEFGH", self.secrets[0])

    async def open_account(self, house: WholeHouse) -> None:
        await make_account(house, self.name, self.secrets[0], auth_id=self.fake.auth_id)

    async def ring(self, house: WholeHouse) -> PlivoCall:
        call: PlivoCall = await self.fake.ring(self.voice(house), self.status(house), CALLER, NUMBER)
        return call

    async def ask_again(self, house: WholeHouse, call: PlivoCall) -> int:
        status, _ = await self.fake.post(self.voice(house), call.fields)
        return int(status)

    async def forge(self, house: WholeHouse) -> list[int]:
        fields = {"CallUUID": "1", "Direction": "inbound", "From": CALLER[1:], "To": NUMBER[1:]}
        wrong = self.fake.signature(f"{self.voice(house)}?", {**fields, "From": "1"})
        return [(await self.fake.post(self.voice(house), fields, headers))[0] for headers in ({}, wrong)]

    def refuse(self) -> None:
        self.fake.refuse = (400, f"{CALLER} is not a valid phone number")


class VonageSide(Side):
    name = "vonage"
    causes: ClassVar[dict[str, str]] = {"busy": "busy", "no_answer": "timeout", "declined": "rejected"}

    def __init__(self) -> None:
        self.fake = FakeVonage("vonage-signature-secret")
        self.secrets = (self.fake.signature_secret, self.fake.private_key.splitlines()[1])

    async def open_account(self, house: WholeHouse) -> None:
        settings = {"application_id": self.fake.application_id, "signature_secret": self.fake.signature_secret}
        await make_account(house, self.name, self.fake.private_key, **settings)

    async def ring(self, house: WholeHouse) -> VonageCall:
        call: VonageCall = await self.fake.ring(self.voice(house), self.status(house), CALLER, NUMBER)
        return call

    async def ask_again(self, house: WholeHouse, call: VonageCall) -> int:
        status, _ = await self.fake.post(self.voice(house), call.question())
        return int(status)

    async def forge(self, house: WholeHouse) -> list[int]:
        body = b'{"uuid":"1","from":"31612345678","to":"31201234567"}'
        stale = f"Bearer {self.fake.token(body, iat=1)}"
        wrong = f"Bearer {self.fake.token(b'other')}"
        return [(await self.fake.post(self.voice(house), body, sent))[0] for sent in (None, wrong, stale)]

    def refuse(self) -> None:
        self.fake.refuse = (403, "Forbidden")


SIDES = (TelnyxSide, PlivoSide, VonageSide)


def speech(call: CarrierCall, seconds: float) -> bytes:
    """The beginning of the recorded sentence, in the format of the call's stream."""
    spoken = SPEECH[: int(seconds * MULAW_8K.bytes_per_second)]
    if call.audio == MULAW_8K:
        return spoken
    return encode(np.repeat(decode(spoken, MULAW_8K), call.audio.sample_rate // 8000), call.audio)
