"""The chat client against the fake: requests in each dialect, replies, and every way they can break."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from dialtone.providers.base import Message, ProviderError, ReplyDone, ReplyEvent, TextDelta, ToolCall, ToolSpec
from dialtone.providers.llm.openai_chat import CONNECTS_A_SECOND, OpenAIChat
from dialtone.providers.llm.openai_request import dialect, request_body
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.providers.contracts import TURN, LanguageModelContract, no_task_is_left

__all__ = ["no_task_is_left"]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(keepalive_timeout=60)) as session:
        yield session


def client(fake: FakeOpenAIChat, http: aiohttp.ClientSession, **options: Any) -> OpenAIChat:
    options = {"name": "openai", "model": "gpt-4.1", "key": "sk-secret", **options}
    return OpenAIChat(http, base_url=fake.url, **options)


async def reply_of(model: OpenAIChat, tools: tuple[ToolSpec, ...] = ()) -> list[ReplyEvent]:
    return [event async for event in model.reply(TURN, tools)]


def text_of(events: list[ReplyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def stream(*chunks: Any) -> bytes:
    return b"".join(
        b"data: " + (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n\n" for each in chunks
    )


def delta(reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


class TestContract(LanguageModelContract):
    @pytest.fixture
    async def vendor(self, http: aiohttp.ClientSession) -> AsyncIterator[OpenAIChat]:
        async with FakeOpenAIChat([Reply("Hello to you, too.", token_delay=0.001)]) as fake:
            yield client(fake, http)


class TestRequest:
    def body(self, provider: str, base_url: str, model: str) -> dict[str, Any]:
        body = request_body(dialect(provider, base_url, model), model, TURN, (), temperature=0.7, max_tokens=99)
        return {name: body[name] for name in sorted(body) if name not in ("model", "messages", "stream")}

    def test_openai(self) -> None:
        official = "https://api.openai.com/v1"
        common = {"max_completion_tokens": 99, "store": False, "stream_options": {"include_usage": True}}
        assert self.body("openai", official, "gpt-4.1") == {**common, "temperature": 0.7}
        pinned = {**common, "reasoning_effort": "none", "temperature": 0.7}
        assert self.body("openai", official, "gpt-5.4-mini") == pinned
        assert self.body("openai", official, "gpt-5.6-luna") == pinned
        assert self.body("openai", official, "gpt-5.1") == {**common, "temperature": 0.7}
        assert self.body("openai", official, "gpt-5-mini") == common
        assert self.body("openai", "https://eu.api.openai.com/v1", "gpt-5") == common

    def test_other_servers(self) -> None:
        options = {"stream_options": {"include_usage": True}, "temperature": 0.7}
        assert self.body("xai", "https://api.x.ai/v1", "grok-4.3") == {
            **options,
            "max_completion_tokens": 99,
            "reasoning_effort": "none",
        }
        assert self.body("mistral", "https://api.mistral.ai/v1", "mistral-medium-latest") == {
            "max_tokens": 99,
            "temperature": 0.7,
        }
        assert self.body("openai", "http://localhost:11434/v1", "llama3.2:3b") == {**options, "max_tokens": 99}
        assert self.body("openai", "https://not-api.openai.com.example/v1", "m") == {**options, "max_tokens": 99}

    async def test_messages_and_tools_on_the_wire(self, http: aiohttp.ClientSession) -> None:
        messages = (
            Message("system", "Be brief."),
            Message("user", "Wetter?"),
            Message("assistant", "", tool_calls=(ToolCall("call_9", "weather", '{"city":"Köln"}'),)),
            Message("tool", "sunny", tool_call_id="call_9"),
        )
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
        async with FakeOpenAIChat() as fake:
            model = client(fake, http, temperature=0.2)
            async for _ in model.reply(messages, (ToolSpec("weather", "Tells it.", parameters),)):
                pass
            request = fake.requests[0]
        assert request.headers["Authorization"] == "Bearer sk-secret"
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.body["stream"] is True
        assert request.body["temperature"] == 0.2
        assert "max_tokens" not in request.body
        assert request.body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Wetter?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "call_9",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Köln"}'},
                    }
                ],
            },
            {"role": "tool", "content": "sunny", "tool_call_id": "call_9"},
        ]
        function = {"name": "weather", "description": "Tells it.", "parameters": parameters}
        assert request.body["tools"] == [{"type": "function", "function": function}]

    async def test_a_server_without_keys_gets_none(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat() as fake:
            await reply_of(client(fake, http, key=""))
            assert "Authorization" not in fake.requests[0].headers
            assert "tools" not in fake.requests[0].body

    async def test_a_parameter_the_model_refuses_is_left_out_from_then_on(self, http: aiohttp.ClientSession) -> None:
        def answer(body: dict[str, Any]) -> Reply:
            for name in ("temperature", "stream_options"):
                if name in body:
                    return Reply(status=400, error={"message": f"Unsupported value: '{name}'.", "param": name})
            return Reply("Fine.")

        async with FakeOpenAIChat(answer) as fake:
            model = client(fake, http, temperature=0.2)
            assert text_of(await reply_of(model)) == "Fine."
            assert text_of(await reply_of(model)) == "Fine."
            assert len(fake.requests) == 4


class TestConnection:
    async def test_connecting_ahead_saves_the_connection_for_the_reply(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat() as fake:
            model = client(fake, http)
            await model.connect()
            for _ in range(3):
                await reply_of(model)
            assert fake.probes == 1
            assert len(fake.peers) == 1, "connect and every complete reply must share one connection"

    async def test_calls_that_begin_together_share_what_some_of_them_connected(
        self, http: aiohttp.ClientSession
    ) -> None:
        async with FakeOpenAIChat() as fake, FakeOpenAIChat() as other:
            await asyncio.gather(*(client(fake, http).connect() for _ in range(50)))
            assert 0 < fake.probes <= CONNECTS_A_SECOND
            await client(other, http).connect()
            assert other.probes == 1, "another server's connections are its own"

    async def test_connecting_ahead_never_fails(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat() as fake:
            model = client(fake, http)
        await model.connect()
        await OpenAIChat(http, name="openai", base_url="no address at all", model="m").connect()

    async def test_closing_the_iterator_drops_the_request_at_once(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat([Reply("one two three", stall_after=2)]) as fake:
            reply = client(fake, http).reply(TURN, ())
            assert await anext(reply) == TextDelta("one")
            await reply.aclose()  # type: ignore[attr-defined]
            await fake.wait_until(lambda: fake.requests[0].aborted)
            assert fake.open_connections == 0

    async def test_cancelling_the_reader_drops_the_request(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat([Reply("one", first_token_delay=60)]) as fake:
            task = asyncio.ensure_future(reply_of(client(fake, http)))
            await fake.wait_until(lambda: len(fake.requests) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await fake.wait_until(lambda: fake.requests[0].aborted)


class TestReply:
    async def test_text_comes_token_by_token_with_usage(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat([Reply("It is ten o'clock.")]) as fake:
            assert await reply_of(client(fake, http)) == [
                TextDelta("It"),
                TextDelta(" is"),
                TextDelta(" ten"),
                TextDelta(" o'clock."),
                ReplyDone("stop", 11, 7),
            ]

    async def test_parallel_tool_calls_are_put_together(self, http: aiohttp.ClientSession) -> None:
        calls = [
            Call("weather", '{"city":"Köln","days":3}', "call_a"),
            Call("time", "{}", "call_b"),
            Call("end_call", "", "call_c"),
        ]
        async with FakeOpenAIChat([Reply("One moment.", calls)]) as fake:
            events = await reply_of(client(fake, http))
        assert events[2:] == [
            ToolCall("call_a", "weather", '{"city":"Köln","days":3}'),
            ToolCall("call_b", "time", "{}"),
            ToolCall("call_c", "end_call", "{}"),
            ReplyDone("tool_calls", 11, 7),
        ]

    @pytest.mark.parametrize("reason", ["length", "content_filter"])
    async def test_other_reasons(self, http: aiohttp.ClientSession, reason: str) -> None:
        async with FakeOpenAIChat([Reply("It", finish_reason=reason)]) as fake:
            assert (await reply_of(client(fake, http)))[-1] == ReplyDone(reason, 11, 7)

    async def raw(self, http: aiohttp.ClientSession, raw: bytes, done: bool = True) -> list[ReplyEvent]:
        async with FakeOpenAIChat([Reply(raw=raw, done=done)]) as fake:
            return await reply_of(client(fake, http))

    async def test_whole_tool_calls_without_index_or_id(self, http: aiohttp.ClientSession) -> None:
        """As Ollama, Mistral and llama.cpp send them."""
        first = {"id": "a", "index": 0, "function": {"name": "x", "arguments": {"n": 1}}}
        second = {"id": "b", "index": 0, "function": {"name": "y", "arguments": '{"n":2}'}}
        third = {"function": {"name": "z", "arguments": "{}"}}
        chunks = [delta(tool_calls=[first, second]), delta(tool_calls=[{**third, "index": 7}]), delta("stop")]
        events = await self.raw(http, stream(*chunks))
        assert events[:2] == [ToolCall("a", "x", '{"n": 1}'), ToolCall("b", "y", '{"n":2}')]
        assert isinstance(events[2], ToolCall)
        assert (events[2].name, events[2].arguments) == ("z", "{}")
        assert events[2].id.startswith("call_")
        assert events[3] == ReplyDone("tool_calls")

    async def test_pieces_of_a_call_without_index(self, http: aiohttp.ClientSession) -> None:
        chunks = [
            delta(tool_calls=[{"id": "a", "function": {"name": "x", "arguments": '{"n"'}}]),
            delta(tool_calls=[{"function": {"arguments": ":1}"}}]),
            delta(tool_calls=[{"id": "b", "function": {"name": "y", "arguments": "{}"}}]),
            delta("tool_calls"),
        ]
        events = await self.raw(http, stream(*chunks))
        assert events[:2] == [ToolCall("a", "x", '{"n":1}'), ToolCall("b", "y", "{}")]

    async def test_parts_refusals_and_strange_chunks(self, http: aiohttp.ClientSession) -> None:
        thinking = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes"}, 3]
        chunks: list[Any] = [
            b"not json",
            b"[]",
            {"choices": "none"},
            {"choices": [7]},
            {"choices": [{"delta": None}]},
            delta(content=7, tool_calls={"a": 1}),
            delta(content=None, tool_calls=[5, {"index": "x", "function": "y"}]),
            delta(reasoning_content="secret thoughts"),
            delta(content=thinking),
            delta(refusal=" but no."),
            delta("stop"),
            {"choices": [], "usage": {"prompt_tokens": "many", "completion_tokens": True}},
        ]
        events = await self.raw(http, b": comment\r\n\r\n" + stream(*chunks))
        assert events == [TextDelta("Yes"), TextDelta(" but no."), ReplyDone("stop")]

    async def test_an_end_without_done_is_fine_once_there_is_a_reason(self, http: aiohttp.ClientSession) -> None:
        events = await self.raw(http, stream(delta(content="Hi"), delta("stop")).rstrip(), done=False)
        assert events == [TextDelta("Hi"), ReplyDone("stop")]

    async def test_a_server_that_stays_silent_after_the_reason_is_not_waited_for(
        self, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dialtone.providers.llm.openai_chat._USAGE_SECONDS", 0.05)
        async with FakeOpenAIChat([Reply("Hi", stall_after=3)]) as fake:
            assert await reply_of(client(fake, http)) == [TextDelta("Hi"), ReplyDone("stop")]


class TestFailures:
    async def failure(self, http: aiohttp.ClientSession, *replies: Reply, **options: Any) -> tuple[ProviderError, int]:
        async with FakeOpenAIChat(replies) as fake:
            with pytest.raises(ProviderError) as caught:
                await reply_of(client(fake, http, **options))
            assert "sk-secret" not in str(caught.value)
            return caught.value, len(fake.requests)

    async def test_a_refused_key_is_not_quoted(self, http: aiohttp.ClientSession) -> None:
        refused = Reply(status=401, error={"message": "Incorrect API key provided: sk-se**et."})
        error, tries = await self.failure(http, refused)
        assert str(error) == "openai: the API key was refused (HTTP 401)"
        assert (error.retryable, tries) == (False, 1)

    async def test_a_refused_request_quotes_the_vendor_shortly(self, http: aiohttp.ClientSession) -> None:
        refused = Reply(status=404, error={"message": f"The model `x` does not exist. sk-secret {'a' * 500}"})
        error, tries = await self.failure(http, refused)
        assert str(error).startswith(
            "openai: the request was refused (HTTP 404): The model `x` does not exist. *** aaa"
        )
        assert len(str(error)) < 300
        assert (error.retryable, tries) == (False, 1)

    @pytest.mark.parametrize(
        "first", [Reply(status=500), Reply(status=429, headers={"Retry-After": "0"}), Reply("Hi", drop_after=0)]
    )
    async def test_a_passing_failure_is_tried_again_once(self, http: aiohttp.ClientSession, first: Reply) -> None:
        async with FakeOpenAIChat([first, Reply("Here I am.")]) as fake:
            assert text_of(await reply_of(client(fake, http))) == "Here I am."
        error, tries = await self.failure(http, first)
        assert (error.retryable, tries) == (True, 2)

    @pytest.mark.parametrize("after", ["30", "Wed, 21 Oct 2026 07:28:00 GMT"])
    async def test_a_long_pause_is_not_waited_for(self, http: aiohttp.ClientSession, after: str) -> None:
        error, tries = await self.failure(http, Reply(status=429, headers={"Retry-After": after}))
        assert "too many requests" in str(error)
        assert tries == 1

    async def test_a_connection_lost_before_the_first_token_is_tried_again(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat([Reply("Hi", drop_after=1), Reply("Here I am.")]) as fake:
            assert text_of(await reply_of(client(fake, http))) == "Here I am."

    async def test_a_connection_lost_in_the_middle_is_an_error(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat([Reply("one two three", drop_after=3)]) as fake:
            reply = client(fake, http).reply(TURN, ())
            assert [await anext(reply), await anext(reply)] == [TextDelta("one"), TextDelta(" two")]
            with pytest.raises(ProviderError, match="connection broke"):
                await anext(reply)
            assert len(fake.requests) == 1

    async def test_a_reply_that_stops_short_is_an_error(self, http: aiohttp.ClientSession) -> None:
        reply = Reply("one two", finish_reason=None, done=False, usage=False)
        async with FakeOpenAIChat([reply]) as fake:
            with pytest.raises(ProviderError, match="before it was complete"):
                await reply_of(client(fake, http))

    async def test_nobody_listens(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat() as fake:
            model = client(fake, http)
        with pytest.raises(ProviderError, match="openai: no connection"):
            await reply_of(model)

    async def test_a_model_that_never_begins(self, http: aiohttp.ClientSession) -> None:
        slow = Reply("Hi", first_token_delay=60)
        error, tries = await self.failure(http, slow, first_token_timeout=0.1)
        assert "stopped answering" in str(error)
        assert (error.retryable, tries) == (True, 1)

    async def test_a_server_that_never_answers(self, http: aiohttp.ClientSession) -> None:
        async with FakeOpenAIChat(accept_delay=60) as fake:
            with pytest.raises(ProviderError, match=r"no answer within 0\.1 seconds"):
                await reply_of(client(fake, http, first_token_timeout=0.1))

    async def test_the_role_is_no_token(self, http: aiohttp.ClientSession) -> None:
        error, _ = await self.failure(http, Reply("Hi", stall_after=1), first_token_timeout=0.1)
        assert "stopped answering" in str(error)

    async def test_a_model_that_falls_silent(self, http: aiohttp.ClientSession) -> None:
        error, tries = await self.failure(http, Reply("one two", stall_after=2), gap_timeout=0.1)
        assert "stopped answering" in str(error)
        assert tries == 1

    async def test_an_error_inside_the_stream(self, http: aiohttp.ClientSession) -> None:
        raw = stream(delta(content="Hi"), {"error": {"message": "Overloaded, sk-secret", "code": 529}})
        error, _ = await self.failure(http, Reply(raw=raw))
        assert str(error) == "openai: the reply failed: Overloaded, ***"

    @pytest.mark.parametrize("raw", [b"<html>login</html>", b'{"object": "chat.completion"}', b""])
    async def test_no_stream_at_all(self, http: aiohttp.ClientSession, raw: bytes) -> None:
        error, _ = await self.failure(http, Reply(raw=raw, done=False))
        assert "no chat completion stream" in str(error)

    async def test_an_endless_line_is_bounded(self, http: aiohttp.ClientSession) -> None:
        error, _ = await self.failure(http, Reply(raw=b"data: " + b"x" * (2 * 1024 * 1024)))
        assert "too long" in str(error)

    async def test_endless_arguments_are_bounded(self, http: aiohttp.ClientSession) -> None:
        piece = delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "x", "arguments": "y" * 100_000}}])
        error, _ = await self.failure(http, Reply(raw=stream(*[piece] * 3)))
        assert "too long" in str(error)
