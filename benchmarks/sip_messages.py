"""What the SIP user agent alone costs on one core: messages, whole calls, and strangers who knock."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import uvloop

from dialtone.sip.admission import Accept, Admission, RequestFacts, Silence
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Answered, Confirmed, Ended, Event, Identity, IncomingCall, OutgoingCall
from dialtone.sip.message import Request, parse_datagram
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, answer_offer, make_offer
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.sip.user_agent import UserAgent
from dialtone.sip.validation import fault_of

AUDIO = AudioOptions()
OFFER = make_offer(LocalAudio("192.0.2.1", 10000), AUDIO)
ANSWER = answer_offer(OFFER, LocalAudio("192.0.2.2", 20000), AUDIO)[0]

INVITE = (
    "INVITE sip:+31201234567@198.51.100.10:5060;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK-524287-1---0123456789abcdef;rport\r\n"
    "Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK-0a1b2c3d4e5f\r\n"
    "Record-Route: <sip:203.0.113.5;lr;ftag=as58f4201b>\r\nMax-Forwards: 69\r\n"
    "Contact: <sip:caller@203.0.113.9:5060;transport=udp>\r\nTo: <sip:+31201234567@198.51.100.10>\r\n"
    'From: "A caller" <sip:+31612345678@203.0.113.5>;tag=as58f4201b\r\nCall-ID: 843817637684230@203.0.113.9\r\n'
    "CSeq: 1826 INVITE\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE\r\n"
    "Supported: 100rel, timer, replaces\r\nUser-Agent: Example 1.0\r\n"
    "P-Asserted-Identity: <sip:+31612345678@example.com>\r\nSession-Expires: 1800\r\n"
    f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n{OFFER}"
).encode()


def microseconds(action: Callable[[], object], count: int) -> float:
    """Of one `action`: the fastest of five runs, so that what else the machine does counts least."""
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count):
            action()
        runs.append((time.perf_counter() - began) / count)
    return round(min(runs) * 1e6, 1)


def parse_check_print() -> bytes:
    request = parse_datagram(INVITE)
    assert isinstance(request, Request)
    assert fault_of(request) is None
    return request.to_bytes()


async def accept(facts: RequestFacts) -> Admission:
    return Accept()


async def silence(facts: RequestFacts) -> Admission:
    return Silence()


def new_agent(on_event: Callable[[Event], None], admit: Callable[[RequestFacts], Any], transport: str) -> UserAgent:
    listener = Listener(transport, "127.0.0.1", 0)  # type: ignore[arg-type]
    options = Options(TransportOptions((listener,)), new_calls_per_second=1e9, max_calls=100_000)
    return UserAgent(options, on_event, admit)


async def calls_per_second(transport: str, count: int, at_once: int) -> float:
    """Calls from INVITE to BYE between two user agents of this process, which does the work of both."""
    started, ended, done = 0, 0, asyncio.Event()

    def caller_told(event: Event) -> None:
        nonlocal ended
        if isinstance(event, Ended):
            ended += 1
            if ended == count:
                done.set()
            elif started < count:
                place()

    def called_told(event: Event) -> None:
        if isinstance(event, IncomingCall):
            called.ring(event.call)
            called.answer(event.call, ANSWER)
        elif isinstance(event, Confirmed):
            called.hangup(event.call)
        else:
            assert not isinstance(event, Answered)

    def place() -> None:
        nonlocal started
        started += 1
        caller.invite(OutgoingCall(target, Identity("sip:caller@example.com"), OFFER))

    caller, called = new_agent(caller_told, accept, transport), new_agent(called_told, accept, transport)
    await caller.open()
    await called.open()
    target = f"sip:bob@127.0.0.1:{called.listening_on()[0][1][1]};transport={transport}"
    began = time.perf_counter()
    for _ in range(at_once):
        place()
    await done.wait()
    took = time.perf_counter() - began
    await caller.endpoint.close()
    await called.endpoint.close()
    return count / took


async def stranger_microseconds(count: int) -> float:
    """CPU time for one INVITE of somebody who is not let in, sending included, while the limits hold the most back."""
    agent = new_agent(lambda event: None, silence, "udp")
    await agent.open()
    loop = asyncio.get_running_loop()
    sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    address = agent.listening_on()[0][1]
    began = time.process_time()
    for number in range(count):
        sender.sendto(INVITE.replace(b"843817637684230", b"%d" % number), address)
        if number % 20 == 0:
            await asyncio.sleep(0)
    took = time.process_time() - began
    sender.close()
    await agent.endpoint.close()
    return round(took / count * 1e6, 1)


def measure(quick: bool) -> dict[str, Any]:
    count = 500 if quick else 3000
    messages = {
        "parse": microseconds(lambda: parse_datagram(INVITE), count),
        "parse_check_print": microseconds(parse_check_print, count),
        "answer_offer": microseconds(lambda: answer_offer(OFFER, LocalAudio("192.0.2.2", 20000), AUDIO), count),
    }
    calls = {transport: round(uvloop.run(calls_per_second(transport, count, 50))) for transport in ("udp", "tcp")}
    stranger = uvloop.run(stranger_microseconds(5 * count))
    return {"message_us": messages, "calls_per_second_both_ends": calls, "stranger_us": stranger}
