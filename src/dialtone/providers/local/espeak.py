"""Text-to-speech by espeak-ng: nothing to download, every language, plainly a robot."""

from collections.abc import Mapping
from typing import Any

from dialtone.media.audio import AudioFormat
from dialtone.providers.base import ProviderError
from dialtone.providers.local.pool import WorkerPool
from dialtone.providers.local.pools import shared_pool
from dialtone.providers.local.speaking import LocalSpeechSession, request

NAME = "local espeak-ng"
MODULE = "dialtone.providers.local.children.espeak"
UTTERANCES_PER_WORKER = 100
"""A sentence takes a worker a few milliseconds, so that many calls share one."""
SPEED_RANGE = (0.5, 2.0)
VOICE_BY_LANGUAGE = {"en": "en-us", "en-gb": "en", "fr-fr": "fr", "zh": "cmn", "no": "nb", "multi": "en-us"}
"""Where espeak-ng's name for a language is not the language's own code."""
NO_VOICE_CHOSEN = ("", "auto", "default", "espeak")


def chosen_voice(config: Mapping[str, Any]) -> str:
    """espeak-ng's name for the voice of a `tts_config`: its `voice_id`, else that of its `language`."""
    voice = (config.get("voice_id") or "").strip().lower()
    if voice in NO_VOICE_CHOSEN:
        voice = (config.get("language") or "en").lower()
    base, plus, variant = voice.partition("+")
    return VOICE_BY_LANGUAGE.get(base, base) + plus + variant


def chosen_speed(config: Mapping[str, Any], provider: str) -> float:
    """`speed` of a `tts_config`; 1.0 is the voice's own. Raises `ProviderError` outside 0.5 to 2."""
    speed = float(config.get("speed") or 1.0)
    slowest, fastest = SPEED_RANGE
    if not slowest <= speed <= fastest:
        raise ProviderError(provider, f"speed must be from {slowest} to {fastest} (got {speed})", retryable=False)
    return speed


class EspeakTextToSpeech:
    """Implements `TextToSpeech`. Raises `ProviderError` where the package or a system library is missing."""

    name = NAME

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._voice = chosen_voice(config)
        self._speed = chosen_speed(config, NAME)
        self.cache_key = f"espeak-ng/{self._voice}/{self._speed:g}"

    def output_format(self, line: AudioFormat) -> AudioFormat:
        return line

    async def open(self, audio: AudioFormat) -> LocalSpeechSession:
        pool = shared_pool((MODULE,), lambda: WorkerPool(NAME, MODULE, channels_per_worker=UTTERANCES_PER_WORKER))
        async for _ in request(pool, NAME, type="check", voice=self._voice):
            pass
        return LocalSpeechSession(pool, NAME, audio, {"voice": self._voice, "speed": self._speed})
