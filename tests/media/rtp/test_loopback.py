"""Two sessions on real sockets and a real event loop."""

import asyncio

import pytest

from dialtone.media.clock import MediaClock
from dialtone.media.rtp.parameters import SrtpKeys
from dialtone.media.rtp.ports import PortPool
from dialtone.media.rtp.session import RtpSession
from dialtone.media.rtp.srtp import SrtpKey
from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import FRAME, Speaker, parameters
from tests.media.rtp.test_ports import free_range, has_ipv6_loopback

FRAMES = {SPEECH[at : at + FRAME] for at in range(4000, 20000, FRAME)}
ENOUGH = 20
HOSTS = ["127.0.0.1", "::1"] if has_ipv6_loopback() else ["127.0.0.1"]


class Listener:
    """Waits for frames of the speech, and for a key."""

    def __init__(self):
        self.heard = set()
        self.key = asyncio.get_running_loop().create_future()
        self.enough = asyncio.Event()

    def on_audio(self, frame):
        if frame in FRAMES:
            self.heard.add(frame)
        if len(self.heard) >= ENOUGH:
            self.enough.set()

    def on_dtmf(self, digit):
        if not self.key.done():
            self.key.set_result(digit)

    def on_media_timeout(self):
        raise AssertionError

    def on_failed(self, error):
        raise error


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_two_sessions_talk(host, encrypted):
    pool, clock = PortPool(*free_range(4)), MediaClock()
    ports = [pool.bind(host), pool.bind(host)]
    keys = [SrtpKey.generate(), SrtpKey.generate()]
    sessions = []
    for own, other in ((0, 1), (1, 0)):
        srtp = SrtpKeys(keys[own], keys[other]) if encrypted else None
        agreed = parameters(remote=ports[other].rtp.address, srtp=srtp)
        sessions.append(RtpSession(ports[own], clock, agreed))
    listeners = [Listener(), Listener()]
    for session, listener in zip(sessions, listeners, strict=True):
        session.start(listener)
        clock.add(Speaker(session, SPEECH))
    async with asyncio.timeout(20):
        for session, listener in zip(sessions, reversed(listeners), strict=True):
            await listener.enough.wait()
            session.send_dtmf("7")
            assert await listener.key == "7"
    for session in sessions:
        assert session.statistics.packets_received >= ENOUGH
        session.close()
    assert pool.free == 4
