"""Speech by sherpa-onnx with models that `dialtone models pull` fetched."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dialtone.media.audio import AudioFormat
from dialtone.providers.base import ProviderError
from dialtone.providers.local.espeak import NO_VOICE_CHOSEN, VOICE_BY_LANGUAGE, chosen_speed
from dialtone.providers.local.listening import LocalSpeechToText
from dialtone.providers.local.model_catalog import CATALOG, CatalogModel
from dialtone.providers.local.models import is_pulled, models_dir
from dialtone.providers.local.pool import WorkerPool
from dialtone.providers.local.pools import shared_pool
from dialtone.providers.local.speaking import LocalSpeechSession, request

NAME = "local sherpa-onnx"
HEARING_MODULE = "dialtone.providers.local.children.sherpa_hearing"
SPEAKING_MODULE = "dialtone.providers.local.children.sherpa_speaking"
STREAMS_PER_WORKER = 12
UTTERANCES_PER_WORKER = 20


def _is_installed() -> bool:
    return importlib.util.find_spec("sherpa_onnx") is not None


def _language(config: Mapping[str, Any]) -> str:
    language = (config.get("language") or "en").lower().split("-")[0]
    return "en" if language == "multi" else language


def _wanted_voice(config: Mapping[str, Any]) -> tuple[str, str]:
    """Language or model name, and speaker, of a `voice_id` such as `en`, `en-us`, `tts-en` or `tts-en/12`."""
    voice, _, speaker = (config.get("voice_id") or "").strip().lower().partition("/")
    if voice in NO_VOICE_CHOSEN:
        voice = _language(config)
    return voice, speaker or "0"


def _find(kind: str, wanted: str, data_dir: Path) -> CatalogModel | None:
    """The pulled model of `kind` for a language or of a name."""
    language = wanted if "+" in wanted else wanted.partition("-")[0]  # en-us+f3 is a voice that only espeak-ng has
    for model in CATALOG:
        if model.kind == kind and (wanted == model.name or language == model.language) and is_pulled(model, data_dir):
            return model
    return None


def can_hear(config: Mapping[str, Any], data_dir: Path) -> bool:
    """Whether the package and a pulled model for the configured language are here."""
    return _is_installed() and _find("speech-to-text", _language(config), data_dir) is not None


def can_speak(config: Mapping[str, Any], data_dir: Path) -> bool:
    """Whether the package and a pulled voice for what is configured are here."""
    return _is_installed() and _find("text-to-speech", _wanted_voice(config)[0], data_dir) is not None


def _model(kind: str, wanted: str, data_dir: Path) -> CatalogModel:
    if not _is_installed():
        raise ProviderError(NAME, "is not installed: pip install 'dialtone[sherpa]'", retryable=False)
    model = _find(kind, wanted, data_dir)
    if model is None:
        words = f"no {kind} model for {wanted!r} is here: dialtone models pull (dialtone models list shows them)"
        raise ProviderError(NAME, words, retryable=False)
    return model


def _pool(module: str, arguments: tuple[str, ...], channels: int) -> WorkerPool:
    return shared_pool((module, *arguments), lambda: WorkerPool(NAME, module, arguments, channels_per_worker=channels))


def sherpa_speech_to_text(config: Mapping[str, Any], data_dir: Path) -> LocalSpeechToText:
    """Raises `ProviderError` where the package or a model for the language is missing."""
    model = _model("speech-to-text", _language(config), data_dir)
    folder = str((models_dir(data_dir) / model.name).resolve())
    return LocalSpeechToText(
        NAME,
        lambda: _pool(HEARING_MODULE, (folder,), STREAMS_PER_WORKER),
        {"keyterms": list(config.get("keyterms") or ())},
    )


class SherpaTextToSpeech:
    """Implements `TextToSpeech`."""

    name = NAME

    def __init__(self, model: CatalogModel, data_dir: Path, speaker: int, speed: float) -> None:
        folder = (models_dir(data_dir) / model.name).resolve()
        self._arguments = (str(folder), VOICE_BY_LANGUAGE.get(model.language, model.language))
        self._settings = {"voice": speaker, "speed": speed}
        self.cache_key = f"sherpa-onnx/{model.name}/{speaker}/{speed:g}"

    def output_format(self, line: AudioFormat) -> AudioFormat:
        return line

    async def open(self, audio: AudioFormat) -> LocalSpeechSession:
        pool = _pool(SPEAKING_MODULE, self._arguments, UTTERANCES_PER_WORKER)
        async for _ in request(pool, NAME, type="check", voice=self._settings["voice"]):
            pass
        return LocalSpeechSession(pool, NAME, audio, self._settings)


def sherpa_text_to_speech(config: Mapping[str, Any], data_dir: Path) -> SherpaTextToSpeech:
    """Raises `ProviderError` where the package or a voice is missing, or a speaker is no number."""
    wanted, speaker = _wanted_voice(config)
    model = _model("text-to-speech", wanted, data_dir)
    if not speaker.isdecimal():
        raise ProviderError(NAME, f"the speaker in voice_id must be a number (got {speaker!r})", retryable=False)
    return SherpaTextToSpeech(model, data_dir, int(speaker), chosen_speed(config, NAME))
