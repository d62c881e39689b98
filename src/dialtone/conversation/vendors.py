"""The vendors of one call."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dialtone.conversation.plan import CallPlan
from dialtone.providers import catalog, factory
from dialtone.providers.base import LanguageModel, ProviderError, SpeechToText, TextToSpeech
from dialtone.providers.factory import Vendors


@dataclass(frozen=True, slots=True)
class CallVendors:
    speech_to_text: SpeechToText
    language_model: LanguageModel
    text_to_speech: TextToSpeech


@dataclass(frozen=True, slots=True)
class VendorChoice:
    """How a call gets its vendors; the functions may raise `ProviderError`."""

    choose: Callable[[], CallVendors]
    spare_voice: Callable[[], TextToSpeech]
    """A voice that needs no vendor, for an apology when the assistant's own is gone."""
    consent_voice: Callable[[], TextToSpeech]
    """What asks for the caller's consent: the assistant's voice, or the deployment's where a model speaks by itself."""


def vendor_choice(plan: CallPlan, vendors: Vendors) -> VendorChoice:
    """The vendors that the assistant's config blocks name; told to keep nothing where we may not either."""
    if not plan.keep_content:
        vendors = replace(vendors, no_retention=True)

    def choose() -> CallVendors:
        if plan.stt_config is None or plan.tts_config is None:
            provider = str(plan.llm_config["provider"])
            raise ProviderError(provider, "speech-to-speech models are not available here", retryable=False)
        return CallVendors(
            factory.speech_to_text(plan.stt_config, vendors),
            factory.language_model(plan.llm_config, vendors),
            factory.text_to_speech(plan.tts_config, vendors),
        )

    def spare_voice() -> TextToSpeech:
        return local_voice(plan.language, vendors)

    def consent_voice() -> TextToSpeech:
        config = plan.tts_config
        if config is None:
            config = catalog.effective("tts", catalog.default_config("tts", vendors.keys))
        return factory.text_to_speech(config, vendors)

    return VendorChoice(choose, spare_voice, consent_voice)


def local_voice(language: str | None, vendors: Vendors) -> TextToSpeech:
    """The voice that needs no vendor, in `language` (a code such as `nl` or `nl-NL`). Raises `ProviderError`."""
    code = (language or "en").split("-")[0]
    return factory.text_to_speech({"provider": "local", "voice_id": code, "language": code}, vendors)
