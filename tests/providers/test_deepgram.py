"""Deepgram's client against the fake: what is sent, what becomes of the answers, and every way it can break."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialtone.media.audio import MULAW_8K, PCM_16K, AudioFormat
from dialtone.providers.base import Final, Interim, ProviderError, UtteranceEnd
from dialtone.providers.stt.deepgram import Deepgram
from tests.fakes.deepgram import FakeDeepgram, final, interim, results, speech_started, utterance_end
from tests.providers.contracts import Heard, SpeechToTextContract, no_task_is_left

__all__ = ["no_task_is_left"]

SECOND = b"\xff" * 8000
FRAME = b"\xff" * 160


def client(fake: FakeDeepgram, **config: Any) -> Deepgram:
    return Deepgram(config, key="dg-secret", base_url=fake.url)


async def heard_from(*script: Any, count: int, garbage: bool = False) -> list[Any]:
    heard = Heard()
    async with FakeDeepgram([(0.5, event) for event in script]) as fake:
        stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
        stream.send(SECOND)
        await heard.wait(count)
        await stream.close()
    assert heard.lost == []
    return heard.events


class TestContract(SpeechToTextContract):
    @pytest.fixture
    async def vendor(self) -> AsyncIterator[Deepgram]:
        async with FakeDeepgram([(0.5, interim("hel")), (1.0, final("hello", 0.1, 0.9))]) as fake:
            yield client(fake)


class TestRequest:
    async def query(self, audio: AudioFormat = MULAW_8K, **config: Any) -> Any:
        async with FakeDeepgram() as fake:
            stream = await client(fake, **config).open(audio, Heard().on_event, Heard().on_lost)
            await stream.close()
            return fake.connections[0].query

    async def test_defaults(self) -> None:
        assert dict(await self.query(model="nova-3", language="multi")) == {
            "model": "nova-3",
            "language": "multi",
            "encoding": "mulaw",
            "sample_rate": "8000",
            "channels": "1",
            "interim_results": "true",
            "punctuate": "true",
            "no_delay": "true",
        }

    async def test_every_field(self) -> None:
        query = await self.query(
            PCM_16K,
            model="nova-3-general",
            language="nl",
            smart_format=True,
            numerals=False,
            filler_words=True,
            no_delay=False,
            endpointing=300,
            utterance_end_ms=1200,
            keyterms=["Dialtone", " Müller & Söhne ", "Dialtone", "", 7],
        )
        assert (query["encoding"], query["sample_rate"]) == ("linear16", "16000")
        assert (query["model"], query["language"]) == ("nova-3-general", "nl")
        assert (query["smart_format"], query["numerals"], query["filler_words"]) == ("true", "false", "true")
        assert (query["no_delay"], query["endpointing"], query["utterance_end_ms"]) == ("false", "300", "1200")
        assert query.getall("keyterm") == ["Dialtone", "Müller & Söhne"]

    @pytest.mark.parametrize(
        ("given", "sent"), [(0, "false"), (False, "false"), (10.0, "10"), (0.05, None), (None, None), (True, None)]
    )
    async def test_endpointing(self, given: object, sent: str | None) -> None:
        assert (await self.query(endpointing=given)).get("endpointing") == sent

    async def test_fields_of_other_vendors_have_no_effect(self) -> None:
        foreign = {"region": "eu-west", "code_switching": True, "sample_rate": 16000, "custom_vocabulary": ["a"]}
        assert await self.query(**foreign) == await self.query()

    async def test_keyterms_stay_below_the_vendors_limit(self) -> None:
        query = await self.query(keyterms=[f"word{number:03}" for number in range(400)])
        assert len(query.getall("keyterm")) == 250

    async def test_the_key_goes_in_the_header_and_retention_can_be_refused(self) -> None:
        async with FakeDeepgram() as fake:
            vendor = Deepgram({}, key="dg-secret", base_url=fake.url + "/", no_retention=True)
            stream = await vendor.open(MULAW_8K, Heard().on_event, Heard().on_lost)
            await stream.close()
            assert fake.connections[0].headers["Authorization"] == "Token dg-secret"
            assert fake.connections[0].query["mip_opt_out"] == "true"


class TestAudio:
    async def test_frames_arrive_unchanged_in_pieces_of_eighty_milliseconds(self) -> None:
        async with FakeDeepgram() as fake:
            stream = await client(fake).open(MULAW_8K, Heard().on_event, Heard().on_lost)
            sent = b"".join(bytes([number]) * 160 for number in range(48))
            for start in range(0, len(sent), 160):
                stream.send(sent[start : start + 160])
            await fake.wait_until(lambda: fake.connections[0].audio_bytes == len(sent))
            assert fake.connections[0].audio == sent
            assert set(fake.connections[0].chunk_sizes) == {640}
            await stream.close()

    async def test_closing_says_so(self) -> None:
        async with FakeDeepgram() as fake:
            stream = await client(fake).open(MULAW_8K, Heard().on_event, Heard().on_lost)
            await stream.close()
            await fake.wait_until(lambda: fake.connections[0].closed)
            assert fake.connections[0].message_types == ["CloseStream"]

    async def test_closed_streams_leave_nothing_behind(self) -> None:
        async with FakeDeepgram() as fake:
            vendor = client(fake)
            remains = []
            for _ in range(20):
                stream = await vendor.open(MULAW_8K, Heard().on_event, Heard().on_lost)
                stream.send(SECOND)
                await stream.close()
                remains.append(weakref.ref(stream))
            del stream
            await fake.wait_until(lambda: len(fake.connections) == 20 and fake.open_connections == 0)
            assert [each() for each in remains] == [None] * 20, "freed without the garbage collector"

    async def test_silence_on_the_line_is_bridged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dialtone.providers.stt.deepgram._KEEP_ALIVE_SECONDS", 0.03)
        heard = Heard()
        async with FakeDeepgram(idle_seconds=0.3) as fake:
            stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
            stream.send(FRAME)
            connection = fake.connections[0]
            await fake.wait_until(lambda: connection.message_types.count("KeepAlive") >= 15)
            assert connection.audio == FRAME, "a single frame must not wait for the next one for ever"
            assert heard.lost == []
            await stream.close()

    async def test_a_socket_that_takes_nothing_loses_the_stream_before_memory(self) -> None:
        heard = Heard()
        async with FakeDeepgram(stop_reading=0.01) as fake:
            stream = await client(fake).open(PCM_16K, heard.on_event, heard.on_lost)
            piece = bytes(32000 * 5)
            for _ in range(200):
                stream.send(piece)
                await asyncio.sleep(0)
                if heard.lost:
                    break
            assert "took no audio" in str(heard.lost[0])
            assert heard.lost[0].retryable
            stream.send(piece)
            await stream.close()

    async def test_a_socket_that_recovers_gets_all_audio_in_order(self) -> None:
        async with FakeDeepgram() as fake:
            heard = Heard()
            stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
            stream._socket.pause_writing()  # type: ignore[union-attr]
            for number in range(20):
                stream.send(bytes([number]) * 160)
            await asyncio.sleep(0.02)
            assert fake.connections[0].audio_bytes == 0
            stream._socket.resume_writing()  # type: ignore[union-attr]
            await fake.wait_until(lambda: fake.connections[0].audio_bytes == 3200)
            assert fake.connections[0].audio == b"".join(bytes([number]) * 160 for number in range(20))
            await stream.close()


class TestTranscripts:
    async def test_interims_and_consecutive_finals(self) -> None:
        events = await heard_from(
            speech_started(0.1),
            interim("my num"),
            interim("my number is"),
            final("My number is", 0.1, 1.5, speech_final=False, padding=0.4),
            interim("five"),
            final("five.", 1.9, 2.4, languages=["en"], padding=0.5),
            utterance_end(2.4),
            count=6,
        )
        assert events == [
            Interim("my num"),
            Interim("my number is"),
            Final("My number is", 0.1, pytest.approx(1.5), False),  # type: ignore[arg-type]
            Interim("five"),
            Final("five.", 1.9, pytest.approx(2.4), True, "en"),  # type: ignore[arg-type]
            UtteranceEnd(),
        ]

    async def test_an_empty_final_counts_only_where_it_changes_something(self) -> None:
        events = await heard_from(
            final("", 0.0, 1.0, speech_final=False),
            final("", 1.0, 2.0),
            interim(""),
            interim("uh"),
            final("", 2.0, 3.0, speech_final=False),
            final("yes", 3.0, 3.5, speech_final=False),
            final("", 3.5, 4.0),
            final("", 4.0, 5.0),
            interim("end"),
            count=5,
        )
        assert events == [
            Interim("uh"),
            Final("", 2.0, 3.0, False),
            Final("yes", 3.0, 3.5, False),
            Final("", 3.5, 4.0, True),
            Interim("end"),
        ]

    async def test_an_interim_that_vanishes_is_taken_back(self) -> None:
        assert await heard_from(interim("um"), interim(""), interim(""), interim("hello"), count=3) == [
            Interim("um"),
            Interim(""),
            Interim("hello"),
        ]

    async def test_a_final_asked_for_is_a_final(self) -> None:
        finalized = results("so far", 0.0, 1.0, is_final=True, from_finalize=True)
        assert await heard_from(finalized, count=1) == [Final("so far", 0.0, 1.0, False)]

    async def test_without_words_the_duration_gives_the_end(self) -> None:
        message = final("hello", 1.0, 2.0, padding=0.5)
        message["channel"]["alternatives"][0]["words"] = []
        assert await heard_from(message, count=1) == [Final("hello", 1.0, 2.5, True)]

    async def test_garbage_is_ignored(self) -> None:
        good = final("still here", 0.0, 1.0)
        strange: list[Any] = [
            "{not json",
            b"\x00\x01binary",
            "[1, 2]",
            "null",
            '"text"',
            "[" * 100_000,
            {"type": 7},
            {"type": "Results"},
            {"type": "Results", "channel": []},
            {"type": "Results", "channel": {"alternatives": []}},
            {"type": "Results", "channel": {"alternatives": ["x"]}},
            {"type": "Results", "channel": {"alternatives": [{"transcript": 5}]}},
            {"type": "Metadata", "duration": "long"},
            {"type": "SomethingNew"},
            {**final("odd numbers", 0.0, 1.0), "start": "soon", "duration": None},
        ]
        events = await heard_from(*strange, good, count=2)
        assert events == [Final("odd numbers", 0.0, 1.0, True), Final("still here", 0.0, 1.0, True)]

    async def test_nothing_is_heard_after_closing(self) -> None:
        heard = Heard()
        async with FakeDeepgram([(0.5, interim("one"))] + [(1.0, final("two", 0.0, 1.0))] * 50) as fake:
            stream: Any = None

            def close_inside(event: Any) -> None:
                heard.on_event(event)
                heard.closing = asyncio.ensure_future(stream.close())  # type: ignore[attr-defined]

            stream = await client(fake).open(MULAW_8K, close_inside, heard.on_lost)
            stream.send(SECOND)
            await heard.wait()
            await heard.closing  # type: ignore[attr-defined]
            count = len(heard.events)
            await fake.wait_until(lambda: fake.connections[0].closed)
            assert len(heard.events) == count
            assert heard.lost == []


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "words", "retryable"),
        [
            (400, "Refused by the fake", False),
            (401, "key was refused", False),
            (402, "no credit", False),
            (403, "key was refused", False),
            (429, "too many requests", True),
            (503, "has a fault", True),
        ],
    )
    async def test_a_refused_upgrade(self, status: int, words: str, retryable: bool) -> None:
        async with FakeDeepgram(refuse=status) as fake:
            with pytest.raises(ProviderError, match=words) as caught:
                await client(fake).open(MULAW_8K, Heard().on_event, Heard().on_lost)
        assert caught.value.retryable is retryable
        assert "dg-secret" not in str(caught.value)

    async def test_nobody_listens(self) -> None:
        async with FakeDeepgram() as fake:
            vendor = client(fake)
        with pytest.raises(ProviderError, match="deepgram: no connection"):
            await vendor.open(MULAW_8K, Heard().on_event, Heard().on_lost)

    async def test_a_server_that_never_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dialtone.providers.websocket.connect.__kwdefaults__", {"secret": "", "within": 0.05})
        async with FakeDeepgram(accept_delay=60) as fake:
            with pytest.raises(ProviderError, match=r"within 0\.05 seconds"):
                await client(fake).open(MULAW_8K, Heard().on_event, Heard().on_lost)

    @pytest.mark.parametrize(
        ("close_with", "words", "retryable"),
        [
            (None, "code 1006", True),
            ((1000, ""), "code 1000", True),
            ((1008, "DATA-0000"), "could not be decoded", False),
            ((1011, "NET-0001"), "no audio reached", True),
            ((1011, "NET-0000"), "NET-0000", True),
        ],
    )
    async def test_a_stream_that_breaks_says_so_once(
        self, close_with: tuple[int, str] | None, words: str, retryable: bool
    ) -> None:
        heard = Heard()
        async with FakeDeepgram([(0.3, interim("hal"))], drop_after=0.5, close_with=close_with) as fake:
            stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
            stream.send(SECOND[:3200])
            await heard.wait()
            stream.send(SECOND)
            error = await heard.wait_lost()
            assert words in str(error)
            assert error.retryable is retryable
            stream.send(SECOND)
            await stream.close()
            await fake.wait_until(lambda: fake.open_connections == 0)
        assert len(heard.lost) == 1
        assert heard.events == [Interim("hal")]

    async def test_closed_as_soon_as_it_is_open(self) -> None:
        heard = Heard()
        async with FakeDeepgram(drop_after=0.0, close_with=(1011, "NET-0000")) as fake:
            try:
                stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
            except ProviderError as error:
                failures = [error, *heard.lost]
            else:
                failures = [await heard.wait_lost()]
                await stream.close()
        assert [str(each) for each in failures] == ["deepgram: the connection was closed with code 1011: NET-0000"]

    async def test_an_error_message_ends_the_stream(self) -> None:
        heard = Heard()
        failure = {"type": "Error", "description": "No capacity\nleft", "variant": "CAPACITY"}
        async with FakeDeepgram([(0.1, failure), (0.1, interim("late"))]) as fake:
            stream = await client(fake).open(MULAW_8K, heard.on_event, heard.on_lost)
            stream.send(SECOND)
            assert str(await heard.wait_lost()) == "deepgram: the stream failed: No capacity left"
            await fake.wait_until(lambda: fake.open_connections == 0)
            await stream.close()
        assert heard.events == []
        assert len(heard.lost) == 1

    async def test_a_callback_that_raises_does_not_end_the_stream(self) -> None:
        heard = Heard()

        def on_event(event: Any) -> None:
            heard.on_event(event)
            if len(heard.events) == 1:
                raise RuntimeError("a bug of ours")

        async with FakeDeepgram([(0.1, interim("a")), (0.2, interim("b"))]) as fake:
            stream = await client(fake).open(MULAW_8K, on_event, heard.on_lost)
            stream.send(SECOND)
            assert await heard.wait(2) == [Interim("a"), Interim("b")]
            await stream.close()
        assert heard.lost == []
