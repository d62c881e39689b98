"""The four places an assistant can seem to speak from, made by rule: no recording is used.

Each scene is a function of a random generator and gives one circular track (`dialtone.media.ambience_sounds`). Levels
within a scene are relative to its steady noise; `dialtone.media.ambience` brings all scenes to a common level.
"""

import numpy as np

from dialtone.media.ambience_sounds import (
    LOOP_SAMPLES,
    LOOP_SECONDS,
    RATE,
    Track,
    arch,
    band,
    far,
    in_room,
    lay,
    noise,
    resonance,
    silent_track,
    slow_curve,
    times,
    tone,
)

Random = np.random.Generator


def office(random: Random) -> Track:
    """Air conditioning, two people typing in bursts, once a phone at the far end of the floor."""
    air = noise(random, lambda hz: band(hz, 120, 500) + 0.15 * band(hz, 500, 2500))
    air *= 1 + 0.08 * slow_curve(random, 3.0)
    typing = silent_track()
    for nearness, pitch in ((8.0, 2100.0), (4.0, 1500.0)):
        for start in _spread(random, 4):
            _type(random, typing, start, nearness, pitch)
    phone = silent_track()
    ringing = float(random.uniform(0, LOOP_SECONDS))
    for ring in (0.0, 3.0):
        lay(phone, ringing + ring, _ring(), 2.0)
    return air + in_room(random, typing, 0.08, 0.35) + in_room(random, far(phone, 1500), 0.3, 0.6)


def _spread(random: Random, count: int) -> list[float]:
    """`count` moments over the loop, in seconds, irregular but never in a heap."""
    step = LOOP_SECONDS / count
    return [(index + float(random.uniform(0.1, 0.9))) * step for index in range(count)]


def _type(random: Random, track: Track, start: float, nearness: float, pitch: float) -> None:
    """A burst of keystrokes: each key is heard going down and, softer, coming up."""
    at = start
    for _ in range(int(random.integers(5, 18))):
        hz, force = pitch * random.uniform(0.8, 1.3), nearness * random.uniform(0.5, 1.0)
        lay(track, at, resonance(random, hz, 0.005), force)
        lay(track, at + random.uniform(0.06, 0.09), resonance(random, 1.2 * hz, 0.003), 0.35 * force)
        at += float(random.uniform(0.09, 0.24))


def _ring() -> Track:
    """One second of an electronic desk phone: two pitches in quick turns."""
    at = times(1.0)
    hz = np.where((at * 20).astype(int) % 2 == 0, 880.0, 1110.0)
    return (tone(hz) + 0.3 * tone(3 * hz)) * arch(at.size)


def city(random: Random) -> Track:
    """The hum of a town, and cars that come by slowly on both sides of a street; once a horn, streets away."""
    track = noise(random, lambda hz: band(hz, 90, 250) + 0.12 * band(hz, 250, 1200))
    track *= 1 + 0.15 * slow_curve(random, 4.0)
    roll = noise(random, lambda hz: band(hz, 150, 700))
    hiss = noise(random, lambda hz: band(hz, 900, 2600))
    for passing in _spread(random, 6):
        loudness, seconds = random.uniform(0.8, 2.2), random.uniform(0.7, 1.5)
        distance = _distance_over_time(passing, seconds)
        track += loudness * (roll / (1 + distance**2) + 0.5 * hiss / (1 + distance**2) ** 2)
        lay(track, passing - 3 * seconds, _engine(random, seconds), 0.5 * loudness)
    horn = silent_track()
    at = times(0.35)
    beep = sum((tone(np.full(at.size, hz)) for hz in (415.0, 520.0, 1245.0)), np.zeros(at.size)) * arch(at.size)
    first = float(random.uniform(0, LOOP_SECONDS))
    for offset in (0.0, 0.5):
        lay(horn, first + offset, beep, 0.5)
    return track + in_room(random, far(horn, 900), 0.5, 0.7)


def _distance_over_time(passing: float, seconds: float) -> Track:
    """How far a car is that is nearest at `passing`, in units of which it makes one in `seconds`; circular."""
    away = (np.arange(LOOP_SAMPLES) / RATE - passing + LOOP_SECONDS / 2) % LOOP_SECONDS - LOOP_SECONDS / 2
    return away / seconds


def _engine(random: Random, seconds: float) -> Track:
    """An engine that comes near and goes away again, six `seconds` in all; its pitch falls as it passes."""
    at = times(6 * seconds)
    pitch = random.uniform(55, 85) * (1 - 0.05 * np.tanh((at / seconds - 3) * 1.5))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum((np.sin(order * phase + order) / order for order in range(1, 9)), np.zeros(at.size))
    sound *= arch(at.size) / (1 + (at / seconds - 3) ** 2)
    return sound


def forest(random: Random) -> Track:
    """Wind that swells and falls in the trees, leaves with it, and birds of four kinds."""
    swell: Track = np.exp(0.45 * slow_curve(random, 2.5))
    wind = noise(random, lambda hz: band(hz, 180, 450)) * swell
    leaves = noise(random, lambda hz: band(hz, 1500, 5000)) * swell**2
    birds = silent_track()
    for sing, visits, loudness in ((_chirps, 4, 1.6), (_trill, 3, 1.3), (_whistle, 3, 1.4), (_high_calls, 4, 1.2)):
        for start in _spread(random, visits):
            sing(random, birds, start, loudness * random.uniform(0.4, 1.0))
    return wind + 0.35 * leaves + in_room(random, birds, 0.35, 0.3)


def _note(start_hz: float, end_hz: float, seconds: float) -> Track:
    at = times(seconds)
    return tone(np.geomspace(start_hz, end_hz, at.size)) * arch(at.size)


def _chirps(random: Random, track: Track, start: float, loudness: float) -> None:
    for index in range(int(random.integers(3, 7))):
        top = random.uniform(3000, 3300)
        lay(track, start + 0.21 * index, _note(top, 0.72 * top, 0.09), loudness)


def _trill(random: Random, track: Track, start: float, loudness: float) -> None:
    base = random.uniform(2600, 2900)
    count = int(random.integers(9, 16))
    for index in range(count):
        hz = base * (1 - 0.015 * index)
        lay(track, start + 0.065 * index, _note(hz, 1.12 * hz, 0.045), loudness * (0.5 + 0.5 * index / count))


def _whistle(random: Random, track: Track, start: float, loudness: float) -> None:
    at = start
    for _ in range(int(random.integers(3, 6))):
        hz, seconds = random.uniform(1700, 2500), random.uniform(0.12, 0.32)
        lay(track, at, _note(hz, hz * random.uniform(0.85, 1.2), seconds), loudness)
        at += seconds + random.uniform(0.04, 0.12)


def _high_calls(random: Random, track: Track, start: float, loudness: float) -> None:
    for index in range(int(random.integers(2, 5))):
        lay(track, start + 0.3 * index, _note(5200, 4300, 0.07), loudness)
        lay(track, start + 0.3 * index + 0.1, _note(3900, 3800, 0.1), loudness)


VOWELS = (
    (270, 2290, 3010),
    (390, 1990, 2550),
    (530, 1840, 2480),
    (660, 1720, 2410),
    (730, 1090, 2440),
    (570, 840, 2410),
    (440, 1020, 2240),
    (300, 870, 2240),
)
"""First three formants in Hz of American English vowels (means of men; Peterson and Barney, JASA 24, 1952)."""
TALKERS = 14
SYLLABLES_EACH = 9
CONVERSATIONS = 2
"""How many different stretches of talk each voice has in the loop, one over the other."""


def crowded_room(random: Random) -> Track:
    """Many voices at once, none of them to be understood, in a hard-walled room; now and then a glass."""
    room = 0.35 * noise(random, lambda hz: band(hz, 120, 900))
    voices = silent_track()
    for _ in range(TALKERS):
        syllables = _syllables(random)
        for _ in range(CONVERSATIONS):
            _talk(random, voices, syllables, random.uniform(0.35, 1.0) ** 3)
    voices /= np.sqrt(np.mean(voices**2))
    glasses = silent_track()
    for start in _spread(random, 4):
        for hz in (2350.0, 3870.0):
            lay(glasses, start, resonance(random, hz * random.uniform(0.9, 1.1), 0.04), random.uniform(0.2, 0.5))
    return room + in_room(random, voices, 0.3, 0.5) + in_room(random, glasses, 0.3, 0.5)


def _syllables(random: Random) -> list[Track]:
    """What one voice has to say: vowels at its own pitch, some after a consonant's rush of air."""
    pitch = random.choice((1.0, 1.75)) * random.uniform(95, 135)
    size_of_head = 1.0 if pitch < 150 else 1.16
    return [_syllable(random, pitch * random.uniform(0.85, 1.25), size_of_head) for _ in range(SYLLABLES_EACH)]


def _syllable(random: Random, pitch: float, size_of_head: float) -> Track:
    at = times(random.uniform(0.11, 0.27))
    phase = 2 * np.pi * np.cumsum(pitch * np.linspace(1.06, 0.92, at.size)) / RATE
    first, second = (np.array(VOWELS[int(random.integers(len(VOWELS)))]) * size_of_head for _ in range(2))
    vowel = np.zeros(at.size)
    glide = np.linspace(0, 1, at.size)
    for order in range(1, int(3600 / pitch)):
        gain = (1 - glide) * _formant_gain(order * pitch, first) + glide * _formant_gain(order * pitch, second)
        vowel += gain * np.sin(order * phase)
    vowel *= arch(at.size)
    if random.random() < 0.4:
        rush = np.diff(random.standard_normal(int(0.07 * RATE) + 1))
        return np.concatenate([0.12 * rush * arch(rush.size), vowel])
    return vowel


def _formant_gain(hz: float, formants: Track) -> float:
    """How strongly a mouth with these formants lets `hz` through, the voice's own fall with frequency included."""
    peaks = np.array((1.0, 0.5, 0.25)) / (1 + ((hz - formants) / (60 + 0.04 * formants)) ** 2)
    return float(peaks.sum() * np.sqrt(min(1.0, 500 / hz)))


def _talk(random: Random, track: Track, syllables: list[Track], loudness: float) -> None:
    """Phrases of a few syllables with pauses for listening, once around the loop."""
    start = float(random.uniform(0, LOOP_SECONDS))
    at = start
    while at < start + LOOP_SECONDS - 1:
        for _ in range(int(random.integers(4, 14))):
            syllable = syllables[int(random.integers(len(syllables)))]
            lay(track, at, syllable, loudness * random.uniform(0.5, 1.0))
            at += syllable.size / RATE + float(random.uniform(0.0, 0.05))
        at += float(random.uniform(0.3, 1.8))
