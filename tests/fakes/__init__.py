"""Fake vendors: real servers on a free local port, written from the vendors' documentation.

Each is an async context manager; `url` is the base URL to give to the client under test:

    async with FakeDeepgram([(0.5, interim("hel")), (1.0, final("hello", 0.1, 0.9))]) as deepgram: ...
    async with FakeOpenAIChat([Reply("Hi there."), Reply(status=429)]) as chat: ...
    async with FakeElevenLabs(first_audio_delay=0.2) as elevenlabs: ...

All record what they received and can refuse, be slow, drop the connection and send garbage: see the arguments of each.
`wait_until(lambda: ...)` waits for something a test expects the server to have seen, without polling.
"""
