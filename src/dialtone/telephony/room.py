"""The telephone of the deployment: opened and closed with the server, where one is wanted."""

import logging

from dialtone.calls.room import CallsRoom
from dialtone.lines.sip.dialer import SipDialer
from dialtone.lines.sip.phone import SipPhone
from dialtone.media.clock import MediaClock
from dialtone.numbers.service import Numbers
from dialtone.platform.db import Database
from dialtone.settings import Settings
from dialtone.sip.events import LoginRefused, PeerChanged, RegistrationChanged
from dialtone.sip.flow import SocketAddress, Transport
from dialtone.telephony.admission import Doorkeeper
from dialtone.telephony.arrivals import Arrivals
from dialtone.telephony.directory import TrunkDirectory
from dialtone.telephony.keep_alive import KeepAlive
from dialtone.telephony.options import telephone_options
from dialtone.telephony.public_address import PublicAddress
from dialtone.telephony.registrar import Registrar
from dialtone.telephony.strangers import Strangers
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.keep_alives import KeepAlives
from dialtone.trunks.registrations import Registrations
from dialtone.trunks.service import Trunks

logger = logging.getLogger(__name__)


class TelephonyRoom:
    """Build it with the app, `start` it when calls can be taken, `stop` it when they are over."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        numbers: Numbers,
        trunks: Trunks,
        registrations: Registrations,
        trunk_events: TrunkEvents,
        calls: CallsRoom,
        clock: MediaClock,
    ) -> None:
        """Raises `ValueError` for settings that can't work."""
        self._options = telephone_options(settings)
        self._listen = settings.sip_listen
        self._keep_alive_seconds = settings.sip_keep_alive_seconds
        self._stun = settings.sip_stun if settings.sip_public_address is None else None
        self._database = database
        self._keep_alives = KeepAlives(database)
        self._numbers = numbers
        self._trunks = trunks
        self._registrations = registrations
        self._trunk_events = trunk_events
        self._calls = calls
        self._clock = clock
        self._phone: SipPhone | None = None
        self._arrivals: Arrivals | None = None
        self._public_address: PublicAddress | None = None
        self.registrar: Registrar | None = None
        """None where there is no telephone."""
        self.keep_alive: KeepAlive | None = None
        """None where there is no telephone, or no trunk is to be asked."""

    async def start(self) -> None:
        """Take calls, and be able to place them. Raises `OSError` where an address can't be listened on."""
        if self._options is None:
            return
        directory = TrunkDirectory(self._database, self._trunks, self._options.sip.resolver)
        self._trunks.on_change.append(directory.forget)
        registrar = Registrar(lambda: phone.agent, self._registrations, self._trunk_events, self._calls.node)
        strangers = Strangers(self._trunk_events, lambda work: arrivals.own(work))
        doorkeeper = Doorkeeper(self._numbers, directory, strangers, registrar.registered_as)
        self._arrivals = Arrivals(
            doorkeeper,
            self._calls.inbound,
            self._calls.calls,
            directory,
            self._calls.channels,
            self._trunk_events,
            self._calls.started,
        )
        arrivals = self._arrivals

        def on_trunk(event: LoginRefused | RegistrationChanged | PeerChanged) -> None:
            if isinstance(event, RegistrationChanged):
                registrar.take(event)
            elif isinstance(event, PeerChanged):
                if self.keep_alive is not None:
                    self.keep_alive.take(event)
            else:
                arrivals.own(doorkeeper.login_refused(event))

        phone = SipPhone(self._options.sip, self._options.ports, self._clock, doorkeeper.admit, arrivals.take, on_trunk)
        try:
            await phone.open()
        except OSError as error:
            raise OSError(error.errno, f"DIALTONE_SIP_LISTEN ({self._listen}): {error.strerror}") from None
        self._phone = phone
        if self._stun is not None:
            self._public_address = PublicAddress(phone.agent, self._stun)
            await self._public_address.start()
        self._calls.dialers.append(SipDialer(phone))
        self.registrar = registrar
        await registrar.start()
        self._trunks.on_change.append(registrar.wake)
        await self._keep_trunks_alive(phone)
        for transport, (host, port) in phone.listening_on():
            logger.info("telephone calls are taken at %s %s port %d", transport, host, port)

    async def _keep_trunks_alive(self, phone: SipPhone) -> None:
        if not self._keep_alive_seconds:
            return
        self.keep_alive = KeepAlive(
            phone.agent,
            phone.speaks,
            self._keep_alives,
            self._trunk_events,
            self._calls.node,
            self._keep_alive_seconds,
        )
        await self.keep_alive.start()
        self._trunks.on_change.append(self.keep_alive.wake)

    def listening_on(self) -> list[tuple[Transport, SocketAddress]]:
        """Where calls are taken; tells the port where 0 was asked for."""
        return [] if self._phone is None else self._phone.listening_on()

    async def drain(self) -> None:
        """New calls are told to come back later; those under way go on."""
        if self.keep_alive is not None:
            await self.keep_alive.stop()
        if self.registrar is not None:
            await self.registrar.stop()
        if self._phone is not None:
            await self._phone.agent.drain()

    async def stop(self) -> None:
        """Hang up what is left. Idempotent."""
        if self._public_address is not None:
            await self._public_address.stop()
        if self.keep_alive is not None:
            await self.keep_alive.stop()
        if self.registrar is not None:
            await self.registrar.stop()
        if self._arrivals is not None:
            await self._arrivals.close()
        if self._phone is not None:
            phone, self._phone = self._phone, None
            self._calls.dialers.clear()
            await phone.close()
