"""Draws a call: both voices' waveforms, the words under them, and how long each answer took."""

import textwrap
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dialtone.media.waveform import envelope

WIDTH, MARGIN = 1500, 90
ROW_SECONDS = 12.0
LANE, WORDS, GAP, TITLE = 64, 46, 26, 60
ROW = 2 * (LANE + WORDS) + GAP
INK, FAINT, PAPER = (28, 32, 40), (205, 210, 218), (255, 255, 255)
CALLER, ASSISTANT, DELAY = (36, 99, 190), (20, 138, 92), (200, 84, 20)

Line = Mapping[str, Any]


def draw(recording: Path, picture: Path, transcript: Sequence[Line], turns: Sequence[Line], title: str) -> None:
    """Write a PNG of the stereo WAV `recording`. `transcript` has `role`, `text` and `at` (seconds) of each line,
    `turns` the `total` of each answer in milliseconds and `at`, when its first audio left.

    Raises `OSError` and `wave.Error`.
    """
    with wave.open(str(recording), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    seconds = len(samples) / rate
    rows = max(1, int(np.ceil(seconds / ROW_SECONDS)))
    image = Image.new("RGB", (WIDTH, TITLE + rows * ROW + 20), PAPER)
    sheet = _Sheet(ImageDraw.Draw(image), samples, rate)
    sheet.draw.text((MARGIN, 18), title, INK, ImageFont.load_default(24))
    for row in range(rows):
        sheet.lane(row, 0, "caller", CALLER)
        sheet.lane(row, 1, "assistant", ASSISTANT)
        sheet.scale(row, seconds)
    for line in transcript:
        sheet.words(line)
    for turn in turns:
        if turn.get("total") is not None:
            sheet.delay(float(turn["at"]), float(turn["total"]))
    image.save(picture)


class _Sheet:
    def __init__(self, draw: ImageDraw.ImageDraw, samples: "np.ndarray[Any, np.dtype[np.int16]]", rate: int) -> None:
        self.draw = draw
        self._samples = samples
        self._rate = rate
        self._width = WIDTH - 2 * MARGIN
        self._font = ImageFont.load_default(14)
        self._small = ImageFont.load_default(12)

    def _place(self, at: float) -> tuple[int, int]:
        """The row of a time, and its x."""
        row = int(at // ROW_SECONDS)
        return row, MARGIN + int((at - row * ROW_SECONDS) / ROW_SECONDS * self._width)

    def lane(self, row: int, channel: int, name: str, colour: tuple[int, int, int]) -> None:
        top = TITLE + row * ROW + channel * (LANE + WORDS)
        middle = top + LANE // 2
        start = int(row * ROW_SECONDS * self._rate)
        piece = self._samples[start : start + int(ROW_SECONDS * self._rate), channel]
        columns = int(len(piece) / self._rate / ROW_SECONDS * self._width)
        self.draw.text((8, middle - 8), name, colour, self._font)
        self.draw.line((MARGIN, middle, MARGIN + self._width, middle), FAINT)
        if columns < 1:
            return
        low, high = envelope(piece, columns)
        scale = (LANE / 2) / 32768 * 1.6
        for column, (bottom, peak) in enumerate(zip(low, high, strict=True)):
            up = min(LANE // 2, int(max(0, peak) * scale))
            down = min(LANE // 2, int(max(0, -int(bottom)) * scale))
            if up or down:
                self.draw.line((MARGIN + column, middle - up, MARGIN + column, middle + down), colour)

    def scale(self, row: int, seconds: float) -> None:
        bottom = TITLE + row * ROW + 2 * (LANE + WORDS) - 4
        for second in range(int(row * ROW_SECONDS), int((row + 1) * ROW_SECONDS), 2):
            if second <= seconds:
                _, x = self._place(second)
                self.draw.text((x, bottom), f"{second} s", FAINT, self._small)

    def words(self, line: Line) -> None:
        row, x = self._place(float(line["at"]))
        channel = 0 if line["role"] == "user" else 1
        top = TITLE + row * ROW + channel * (LANE + WORDS) + LANE + 2
        room = max(24, (MARGIN + self._width - x) // 7)
        wrapped = textwrap.wrap(str(line["text"]), room)
        if len(wrapped) > 3:
            wrapped = [*wrapped[:2], wrapped[2] + " …"]
        x = min(x, WIDTH - MARGIN - 24 * 7)
        self.draw.multiline_text((x, top), "\n".join(wrapped), INK, self._small, spacing=2)

    def delay(self, answered_at: float, milliseconds: float) -> None:
        row, end = self._place(answered_at)
        _, start = self._place(max(row * ROW_SECONDS, answered_at - milliseconds / 1000))
        y = TITLE + row * ROW + LANE + WORDS - 6
        self.draw.line((start, y, end, y), DELAY, 3)
        self.draw.text((end + 5, y - 8), f"{milliseconds:.0f} ms", DELAY, self._small)
