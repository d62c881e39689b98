"""Speech and a scripted assistant without a key: everything runs on this machine.

Recognisers and synthesisers run in worker processes; nothing here is imported before an assistant uses it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dialtone.providers.base import LanguageModel, ProviderError, SpeechToText, TextToSpeech

if TYPE_CHECKING:
    from dialtone.providers.factory import Vendors

AUTO = "auto"


def _unknown_model(kind: str, model: str, known: str) -> ProviderError:
    return ProviderError("local", f"has no {kind} model {model!r}; it has {known}", retryable=False)


def speech_to_text(config: Mapping[str, Any], vendors: "Vendors") -> SpeechToText:
    """The recogniser of an `stt_config`: sherpa-onnx where its model was pulled, else pocketsphinx.

    Raises `ProviderError` for an unknown model, a language it cannot hear, or a package that is not installed.
    """
    from dialtone.providers.local import sherpa, sphinx

    model = config.get("model") or AUTO
    if model not in (AUTO, "sherpa-onnx", "pocketsphinx"):
        raise _unknown_model("speech-to-text", model, "auto, sherpa-onnx, pocketsphinx")
    if model == "sherpa-onnx" or (model == AUTO and sherpa.can_hear(config, vendors.data_dir)):
        return sherpa.sherpa_speech_to_text(config, vendors.data_dir)
    return sphinx.sphinx_speech_to_text(config)


def language_model(config: Mapping[str, Any], vendors: "Vendors") -> LanguageModel:
    """The scripted demo model. Raises `ProviderError` for another `model`."""
    from dialtone.providers.local.demo.model import DemoModel

    model = config.get("model") or "demo"
    if model not in (AUTO, "demo"):
        raise _unknown_model("language", model, "demo")
    return DemoModel()


def text_to_speech(config: Mapping[str, Any], vendors: "Vendors") -> TextToSpeech:
    """The voice of a `tts_config`: sherpa-onnx where a voice was pulled, else espeak-ng.

    Raises `ProviderError` for an unknown model, a speed out of range, or a package that is not installed.
    """
    from dialtone.providers.local import espeak, sherpa

    model = config.get("model") or AUTO
    if model not in (AUTO, "sherpa-onnx", "espeak-ng"):
        raise _unknown_model("text-to-speech", model, "auto, sherpa-onnx, espeak-ng")
    if model == "sherpa-onnx" or (model == AUTO and sherpa.can_speak(config, vendors.data_dir)):
        return sherpa.sherpa_text_to_speech(config, vendors.data_dir)
    return espeak.EspeakTextToSpeech(config)


async def close_local() -> None:
    """End all worker processes of the running event loop. Idempotent, never raises."""
    from dialtone.providers.local.pools import close_pools

    await close_pools()
