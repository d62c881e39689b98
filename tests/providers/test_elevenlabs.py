"""ElevenLabs' client against the fake: both protocols, accounting of characters, and every way it can break."""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.audio import MULAW_8K, PCM_8K, PCM_16K, PCM_24K, AudioFormat
from dialtone.providers.base import ProviderError, SpeechChunk
from dialtone.providers.tts.characters import SpokenCharacters
from dialtone.providers.tts.elevenlabs import ElevenLabs, ElevenLabsSession
from tests.fakes.elevenlabs import SECONDS_PER_CHARACTER, FakeElevenLabs
from tests.providers.contracts import TextToSpeechContract, collect, no_task_is_left

__all__ = ["no_task_is_left"]


def client(fake: FakeElevenLabs, audio_timeout: float = 10.0, **config: Any) -> ElevenLabs:
    config = {"voice_id": "voice 1", "model": "eleven_flash_v2_5", **config}
    return ElevenLabs(config, key="xi-secret", base_url=fake.url, audio_timeout=audio_timeout)


async def say(session: ElevenLabsSession, *texts: str) -> list[SpeechChunk]:
    utterance = session.speak()
    for text in texts:
        utterance.push(text)
    utterance.finish()
    async with asyncio.timeout(5):
        return await collect(utterance.__aiter__())


def spoken(chunks: list[SpeechChunk]) -> float:
    return sum(chunk.characters for chunk in chunks)


class TestContract(TextToSpeechContract):
    @pytest.fixture(params=["eleven_flash_v2_5", "eleven_v4_turbo"])
    async def vendor(self, request: pytest.FixtureRequest) -> AsyncIterator[ElevenLabs]:
        async with FakeElevenLabs() as fake:
            yield client(fake, model=request.param)


class TestRequest:
    async def connection(self, audio: AudioFormat = MULAW_8K, no_retention: bool = False, **config: Any) -> Any:
        async with FakeElevenLabs() as fake:
            config = {"voice_id": "voice 1", "model": "eleven_flash_v2_5", **config}
            vendor = ElevenLabs(config, key="xi-secret", base_url=fake.url, no_retention=no_retention)
            session = await vendor.open(audio)
            await say(session, "Hello.", "Bye. ")
            await session.close()
            return fake.connections[0]

    async def test_text_to_speech(self) -> None:
        connection = await self.connection(language="nl", apply_text_normalization="off", no_retention=True)
        assert connection.path == "/v1/text-to-speech/voice 1/multi-stream-input"
        assert connection.headers["xi-api-key"] == "xi-secret"
        assert dict(connection.query) == {
            "model_id": "eleven_flash_v2_5",
            "output_format": "ulaw_8000",
            "sync_alignment": "true",
            "auto_mode": "true",
            "inactivity_timeout": "180",
            "language_code": "nl",
            "apply_text_normalization": "off",
            "enable_logging": "false",
        }
        assert connection.messages == [
            {"text": " ", "context_id": "u1"},
            {"text": "Hello. ", "context_id": "u1", "flush": True},
            {"text": "Bye. ", "context_id": "u1", "flush": True},
            {"context_id": "u1", "close_context": True},
            {"close_socket": True},
        ]

    async def test_text_to_dialogue(self) -> None:
        settings = {"stability": 0.4, "similarity_boost": 0.7, "style": 0.1, "speed": 1.1, "use_speaker_boost": True}
        connection = await self.connection(PCM_16K, model="eleven_v4_turbo", language="nl", **settings)
        assert connection.path == "/v1/text-to-dialogue/multi-stream-input"
        assert dict(connection.query) == {
            "model_id": "eleven_v4_turbo",
            "output_format": "pcm_16000",
            "sync_alignment": "true",
            "language_code": "nl",
        }
        voices = {"voices": ["voice 1"], "voice_settings": {"stability": 0.4}}
        assert connection.messages[:-1] == [
            {"context_id": "idle", **voices},
            {"context_id": "u1", **voices},
            {"context_id": "u1", "inputs": [{"text": "Hello. ", "voice_id": "voice 1"}]},
            {"context_id": "u1", "flush": True},
            {"context_id": "u1", "inputs": [{"text": "Bye. ", "voice_id": "voice 1"}]},
            {"context_id": "u1", "flush": True},
            {"context_id": "u1", "close_context": True},
        ]

    @pytest.mark.parametrize(("given", "sent"), [(0.5, 0.7), (0.9, 0.9), (2, 1.2)])
    async def test_settings_go_with_the_context_and_are_pulled_to_what_is_taken(
        self, given: float, sent: float
    ) -> None:
        connection = await self.connection(
            speed=given, stability=7, style=-1, similarity_boost=None, use_speaker_boost=False, instructions="whisper"
        )
        settings = {"speed": sent, "stability": 1.0, "style": 0.0, "use_speaker_boost": False}
        assert connection.messages[0] == {"text": " ", "context_id": "u1", "voice_settings": settings}

    @pytest.mark.parametrize(
        ("model", "language", "sent"),
        [
            ("eleven_flash_v2_5", "multi", None),
            ("eleven_flash_v2_5", "pt-BR", "pt"),
            ("eleven_multilingual_v2", "nl", None),
        ],
    )
    async def test_language(self, model: str, language: str, sent: str | None) -> None:
        assert (await self.connection(model=model, language=language)).query.get("language_code") == sent

    def test_formats(self) -> None:
        vendor = ElevenLabs({"voice_id": "v"}, key="k")
        for line in (MULAW_8K, PCM_8K, PCM_16K, PCM_24K):
            assert vendor.output_format(line) == line
        assert vendor.output_format(AudioFormat("mulaw", 16000)) == PCM_16K

    async def test_a_format_that_does_not_exist(self) -> None:
        with pytest.raises(ProviderError, match="no audio as mulaw at 16000 Hz"):
            await ElevenLabs({"voice_id": "v"}, key="k").open(AudioFormat("mulaw", 16000))

    def test_the_cache_key_tells_sounds_apart_and_holds_no_secret(self) -> None:
        keys = {
            ElevenLabs(config, key="xi-secret").cache_key
            for config in (
                {"voice_id": "a"},
                {"voice_id": "b"},
                {"voice_id": "a", "speed": 1.1},
                {"voice_id": "a", "model": "eleven_v4"},
                {"voice_id": "a", "speed": None, "provider": "11labs"},
            )
        }
        assert len(keys) == 4
        assert not any("xi-secret" in key for key in keys)

    def test_speech_of_another_account_or_address_is_other_speech(self) -> None:
        config = {"voice_id": "a"}
        shared = ElevenLabs(config, key="xi-shared").cache_key
        assert ElevenLabs(config, key="xi-shared").cache_key == shared
        assert ElevenLabs(config, key="xi-own").cache_key != shared
        assert ElevenLabs(config, key="xi-shared", base_url="https://api.eu.elevenlabs.io").cache_key != shared


class TestSpeech:
    @pytest.mark.parametrize("audio", [MULAW_8K, PCM_8K, PCM_16K, PCM_24K])
    async def test_audio_and_characters(self, audio: AudioFormat) -> None:
        async with FakeElevenLabs() as fake:
            session = await client(fake).open(audio)
            chunks = await say(session, "Good morning.", "What can I do?")
            seconds = audio.seconds(sum(len(chunk.audio) for chunk in chunks))
            assert seconds == pytest.approx(29 * SECONDS_PER_CHARACTER, abs=0.01)
            assert spoken(chunks) == 27
            assert len(chunks) > 5
            assert chunks[0].characters == 4
            await session.close()

    async def test_a_sentence_is_spoken_before_the_next_is_pushed(self) -> None:
        async with FakeElevenLabs() as fake:
            session = await client(fake).open(MULAW_8K)
            utterance = session.speak()
            chunks = utterance.__aiter__()
            for text in ("One.", "Two."):
                utterance.push(text)
                heard = 0.0
                while heard < len(text):
                    heard += (await anext(chunks)).characters
            utterance.finish()
            assert spoken(await collect(chunks)) == 0
            await session.close()

    @pytest.mark.parametrize("form", ["none", "upper", "leading_space", "wrong_types", "too_much"])
    async def test_characters_add_up_whatever_the_alignment_is(self, form: str) -> None:
        def align(message: dict[str, Any]) -> dict[str, Any]:
            alignment = message["alignment"]
            if form == "upper":
                alignment["chars"] = [each.upper() for each in alignment["chars"]]
            elif form == "leading_space":
                alignment["chars"] = [" ", *alignment["chars"]]
            elif form == "wrong_types":
                alignment["chars"] = [1, None]
            elif form == "too_much":
                alignment["chars"] = ["x"] * 100
            return message

        async with FakeElevenLabs(align=None if form == "none" else align) as fake:
            session = await client(fake).open(MULAW_8K)
            assert spoken(await say(session, "Good morning.", "  ", "What can I do?")) == pytest.approx(29)
            await session.close()

    async def test_two_utterances_at_once(self) -> None:
        async with FakeElevenLabs() as fake:
            session = await client(fake).open(MULAW_8K)
            one, two = await asyncio.gather(say(session, "First things first."), say(session, "Second."))
            assert (spoken(one), spoken(two)) == (19, 7)
            assert len(fake.connections) == 1
            await session.close()

    async def test_many_utterances_one_after_the_other(self) -> None:
        """The vendor allows five contexts at once: each must be closed."""
        async with FakeElevenLabs() as fake:
            for model in ("eleven_flash_v2_5", "eleven_v3"):
                session = await client(fake, model=model).open(MULAW_8K)
                for _ in range(8):
                    assert spoken(await say(session, "Again.")) == 6
                assert session._utterances == {}
                await session.close()

    async def test_cancel_closes_the_context_and_late_audio_is_ignored(self) -> None:
        async with FakeElevenLabs(speed=20) as fake:
            session = await client(fake).open(MULAW_8K)
            utterance = session.speak()
            utterance.push("This will be interrupted very soon.")
            chunks = utterance.__aiter__()
            await anext(chunks)
            utterance.cancel()
            assert await collect(chunks) == []
            utterance.push("Nobody hears this.")
            assert spoken(await say(session, "But this.")) == 9
            assert fake.connections[0].of("u1")[-1] == {"context_id": "u1", "close_context": True}
            await session.close()

    async def test_leaving_the_loop_closes_the_context(self) -> None:
        async with FakeElevenLabs(speed=20) as fake:
            session = await client(fake).open(MULAW_8K)
            utterance = session.speak()
            utterance.push("This will be interrupted very soon.")
            chunks = utterance.__aiter__()
            await anext(chunks)
            await chunks.aclose()  # type: ignore[attr-defined]
            await fake.wait_until(lambda: fake.connections[0].of("u1")[-1].get("close_context") is True)
            await session.close()

    async def test_garbage_and_strange_contexts_are_ignored(self) -> None:
        garbage = (
            "not json",
            "[]",
            "{}",
            '{"audio": 7, "contextId": "u1"}',
            '{"audio": "%%%", "contextId": "u1"}',
            '{"audio": "AAAA", "contextId": "u77"}',
            '{"audio": "AAAA"}',
            '{"audio": null, "contextId": 3, "isFinal": null}',
            '{"alignment": [], "contextId": "u1"}',
            '{"message": "old", "error": "gone", "contextId": "u77"}',
        )
        async with FakeElevenLabs(before_audio=garbage) as fake:
            session = await client(fake).open(MULAW_8K)
            chunks = await say(session, "Hello.")
            assert sum(len(chunk.audio) for chunk in chunks) == round(7 * SECONDS_PER_CHARACTER * 8000)
            await session.close()

    async def test_samples_cut_in_two_are_put_together(self) -> None:
        async with FakeElevenLabs(before_audio=('{"audio": "AQ==", "contextId": "u1"}',)) as fake:
            session = await client(fake).open(PCM_8K)
            chunks = await say(session, "Hello.")
            assert all(len(chunk.audio) % 2 == 0 for chunk in chunks)
            assert spoken(chunks) == 6
            await session.close()


class TestConnection:
    async def test_a_dialogue_connection_is_kept_alive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dialtone.providers.tts.elevenlabs._KEEP_ALIVE_SECONDS", 0.02)
        async with FakeElevenLabs(idle_seconds=0.3) as fake:
            session = await client(fake, model="eleven_v4_turbo").open(MULAW_8K)
            alive = {"context_id": "idle", "keep_alive": True}
            await fake.wait_until(lambda: fake.connections[0].messages.count(alive) > 20)
            assert spoken(await say(session, "Still here.")) == 11
            assert len(fake.connections) == 1
            await session.close()

    async def test_a_context_that_waits_for_text_is_kept_alive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dialtone.providers.tts.elevenlabs._KEEP_ALIVE_SECONDS", 0.02)
        async with FakeElevenLabs() as fake:
            session = await client(fake).open(MULAW_8K)
            utterance = session.speak()
            utterance.push("One moment.")
            await fake.wait_until(lambda: {"text": "", "context_id": "u1"} in fake.connections[0].messages)
            utterance.finish()
            assert spoken(await collect(utterance.__aiter__())) == 11
            await session.close()

    async def test_closed_while_idle_it_reopens_for_the_next_utterance(self) -> None:
        async with FakeElevenLabs(idle_seconds=0.05) as fake:
            session = await client(fake).open(MULAW_8K)
            await fake.wait_until(lambda: fake.connections[0].closed)
            assert spoken(await say(session, "Hello again.")) == 12
            assert len(fake.connections) == 2
            await session.close()

    async def test_closed_while_idle_it_reopens_ahead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dialtone.providers.tts.elevenlabs._SETTLED_SECONDS", 0.03)
        async with FakeElevenLabs(idle_seconds=0.05) as fake:
            session = await client(fake).open(MULAW_8K)
            await fake.wait_until(lambda: len(fake.connections) == 2)
            await session.close()

    async def test_a_server_that_closes_at_once_is_not_asked_again_and_again(self) -> None:
        async with FakeElevenLabs(idle_seconds=0.01) as fake:
            session = await client(fake).open(MULAW_8K)
            await fake.wait_until(lambda: fake.connections[0].closed)
            await asyncio.sleep(0.05)
            assert len(fake.connections) == 1
            await session.close()

    async def test_a_connection_lost_on_the_first_text_costs_nothing(self) -> None:
        async with FakeElevenLabs(drop_on_text=(1,)) as fake:
            session = await client(fake).open(MULAW_8K)
            assert spoken(await say(session, "Hello.", "How are you?")) == 18
            assert fake.connections[1].messages[0] == {"text": " ", "context_id": "u1"}
            await session.close()

    async def test_text_pushed_while_reconnecting_is_spoken(self) -> None:
        async with FakeElevenLabs(drop_on_text=(1,)) as fake:
            session = await client(fake).open(MULAW_8K)
            fake.accept_delay = 0.05
            utterance = session.speak()
            utterance.push("Hello.")
            await fake.wait_until(lambda: fake.connections[0].closed)
            utterance.push("How are you?")
            utterance.finish()
            assert spoken(await collect(utterance.__aiter__())) == 18
            await session.close()

    async def test_closed_sessions_leave_nothing_behind(self) -> None:
        async with FakeElevenLabs() as fake:
            vendor = client(fake)
            remains = []
            for _ in range(10):
                session = await vendor.open(MULAW_8K)
                await say(session, "Hello.")
                utterance = session.speak()
                utterance.push("Interrupted by the end of the call.")
                await session.close()
                remains += [weakref.ref(session), weakref.ref(utterance)]
            del session, utterance
            await fake.wait_until(lambda: fake.open_connections == 0)
            assert [each() for each in remains] == [None] * 20, "freed without the garbage collector"

    async def test_closing_while_reconnecting(self) -> None:
        async with FakeElevenLabs(drop_on_text=(1,)) as fake:
            session = await client(fake).open(MULAW_8K)
            fake.accept_delay = 60
            utterance = session.speak()
            utterance.push("Hello.")
            await fake.wait_until(lambda: fake.connections[0].closed)
            await session.close()
            assert await collect(utterance.__aiter__()) == []


class TestFailures:
    async def failure(self, fake: FakeElevenLabs, **options: Any) -> tuple[ProviderError, float]:
        async with fake:
            session = await client(fake, **options).open(MULAW_8K)
            utterance = session.speak()
            utterance.push("Something that takes a while to say.")
            utterance.finish()
            chunks: list[SpeechChunk] = []

            async def listen() -> None:
                async for chunk in utterance:
                    chunks.append(chunk)

            with pytest.raises(ProviderError) as caught:
                await asyncio.wait_for(listen(), 5)
            assert session._utterances == {}
            await session.close()
            assert "xi-secret" not in str(caught.value)
            return caught.value, spoken(chunks)

    @pytest.mark.parametrize(
        ("status", "retryable"), [(400, False), (401, False), (403, False), (429, True), (502, True)]
    )
    async def test_a_refused_upgrade(self, status: int, retryable: bool) -> None:
        async with FakeElevenLabs(refuse=status) as fake:
            with pytest.raises(ProviderError, match=f"HTTP {status}") as caught:
                await client(fake).open(MULAW_8K)
        assert caught.value.retryable is retryable

    async def test_a_second_loss_is_an_error(self) -> None:
        error, heard = await self.failure(FakeElevenLabs(drop_on_text=(1, 2)))
        assert str(error) == "elevenlabs: the connection was closed with code 1006"
        assert heard == 0

    async def test_a_loss_in_the_middle_gives_what_came_before_it(self) -> None:
        fake = FakeElevenLabs(drop_after_chunks=3, close_with=(1011, "internal error"))
        error, heard = await self.failure(fake)
        assert "code 1011: internal error" in str(error)
        assert heard == 12
        assert len(fake.connections) == 1

    async def test_reconnecting_fails(self) -> None:
        fake = FakeElevenLabs(drop_on_text=(1,))

        class RefusesLater(FakeElevenLabs):
            def seen(self) -> None:
                self.refuse = 503 if self.connections else None
                super().seen()

        fake.__class__ = RefusesLater
        error, _ = await self.failure(fake)
        assert "HTTP 503" in str(error)

    @pytest.mark.parametrize(
        ("identifier", "code", "retryable"),
        [
            ("voice_not_found", 1008, False),
            ("quota_exceeded", 1008, False),
            ("too_many_concurrent_requests", 1008, True),
        ],
    )
    async def test_an_error_message(self, identifier: str, code: int, retryable: bool) -> None:
        words = {"message": "It can't be done, xi-secret.", "error": identifier, "code": code}
        error, _ = await self.failure(FakeElevenLabs(error_on_text=words))
        assert str(error) == "elevenlabs: the speech failed: It can't be done, ***."
        assert error.retryable is retryable

    async def test_an_error_for_one_context_leaves_the_other_alone(self) -> None:
        words = json.dumps({"message": "Bad text.", "error": "invalid_text", "contextId": "u1"})
        async with FakeElevenLabs(before_audio=(words,)) as fake:
            session = await client(fake).open(MULAW_8K)
            first, second = await asyncio.gather(
                say(session, "One."), say(session, "Two, three."), return_exceptions=True
            )
            assert isinstance(first, ProviderError)
            assert isinstance(second, list)
            assert spoken(second) == 11
            await session.close()

    async def test_a_vendor_that_never_speaks(self) -> None:
        error, _ = await self.failure(FakeElevenLabs(silent=True), audio_timeout=0.05)
        assert str(error) == "elevenlabs: no audio within 0.05 seconds"

    async def test_waiting_for_text_is_no_failure(self) -> None:
        async with FakeElevenLabs() as fake:
            session = await client(fake, audio_timeout=0.05).open(MULAW_8K)
            utterance = session.speak()
            utterance.push("One moment.")
            chunks = utterance.__aiter__()
            while (await anext(chunks)).characters:
                if session._utterances["u1"]._characters._reached == 11:
                    break
            await asyncio.sleep(0.1)
            utterance.push("Here it is.")
            utterance.finish()
            assert spoken(await collect(chunks)) == 11
            await session.close()

    async def test_nobody_listens(self) -> None:
        async with FakeElevenLabs() as fake:
            vendor = client(fake)
        with pytest.raises(ProviderError, match="no connection"):
            await vendor.open(MULAW_8K)


@given(
    st.lists(st.text(alphabet="ab \n.", min_size=1, max_size=12), max_size=5),
    st.lists(st.one_of(st.text(alphabet="ab \n.x", max_size=8), st.floats(0, 3)), max_size=12),
)
def test_counts_never_fall_and_always_add_up(texts: list[str], chunks: list[str | float]) -> None:
    characters = SpokenCharacters()
    for text in texts:
        characters.push(text, "" if not text.strip() else text if text[-1].isspace() else text + " ")
    counts = [characters.aligned(each) if isinstance(each, str) else characters.estimated(each) for each in chunks]
    assert all(count >= 0 for count in counts)
    assert sum(counts) + characters.rest() == pytest.approx(sum(map(len, texts)))
