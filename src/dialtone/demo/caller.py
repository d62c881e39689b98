"""The recorded caller: speaks a line, listens until the assistant has finished, and answers."""

import asyncio
from collections.abc import Callable, Mapping

from dialtone.client.conversation_view import ConversationView
from dialtone.client.speech_file import silence_frame
from dialtone.client.web_call import CallEvent, WebCallClient, WebCallError
from dialtone.demo.restaurant import OPENING_LINE, answer_to
from dialtone.media.audio import FRAME_SECONDS

THINKING_SECONDS = 0.7
"""Quiet after the assistant's last word before the caller answers."""
MAX_LINES = 14


class RecordedCaller:
    """Holds the caller's side of one call. `speech` has the audio of every line, in the call's format."""

    def __init__(
        self, call: WebCallClient, speech: Mapping[str, bytes], on_event: Callable[[CallEvent, ConversationView], None]
    ) -> None:
        self.view = ConversationView()
        self._call = call
        self._speech = speech
        self._on_event = on_event
        self._silence = silence_frame(call.audio)
        self._waiting: list[bytes] = []
        self._said = 0
        self._last_question = ""

    async def converse(self) -> ConversationView:
        """Talk until the assistant hangs up, or nothing is left to say. Returns what was said."""
        talking = asyncio.create_task(self._talk())
        try:
            async for event in self._call.events():
                self._take(event)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        return self.view

    def _take(self, event: CallEvent) -> None:
        line = self.view.take(event)
        if line is not None and line["role"] == "assistant":
            self._last_question = str(line["text"])
        self._on_event(event, self.view)

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        began, count = loop.time(), 0
        try:
            while self._said < MAX_LINES or self._waiting:
                if not self._waiting and self._my_turn():
                    self._waiting = self._next_line()
                await self._call.send(self._waiting.pop(0) if self._waiting else self._silence)
                count += 1
                await asyncio.sleep(began + count * FRAME_SECONDS - loop.time())
        except WebCallError:
            return
        await self._call.hang_up()

    def _my_turn(self) -> bool:
        view = self.view
        quiet = self._call.now - view.changed_at
        return bool(
            self._last_question and not view.assistant_speaking and not view.answer_due and quiet > THINKING_SECONDS
        )

    def _next_line(self) -> list[bytes]:
        line = answer_to(self._last_question) if self._said else OPENING_LINE
        self._said += 1
        self._last_question = ""
        audio, size = self._speech[line], self._call.audio.frame_bytes
        return [audio[start : start + size] for start in range(0, len(audio) - size + 1, size)]
