"""The vendors themselves: models, voices, fields and their ranges. The first model of a list is the default.

Facts from the vendors' public documentation and the compatible platform's published configuration catalog
(version 1). `local` is our own.
"""

from dialtone.providers.catalog_types import (
    Provider,
    Rule,
    boolean,
    integer,
    listing,
    number,
    object_of,
    one_of,
    string,
    strings,
    words,
)

LANGUAGES: dict[str, tuple[str, ...]] = {
    "multi": ("nl-NL", "en-US"),
    "nl": ("nl-NL",),
    "en": ("en-US",),
    "de": ("de-DE",),
    "fr": ("fr-FR",),
    "es": ("es-ES",),
    "it": ("it-IT",),
    "pt": ("pt-PT",),
    "pl": ("pl-PL",),
    "ru": ("ru-RU",),
    "ja": ("ja-JP",),
    "ko": ("ko-KR",),
    "zh": ("cmn-Hans-CN",),
    "ar": ("ar-XA",),
    "hi": ("hi-IN",),
    "da": ("da-DK",),
    "sv": ("sv-SE",),
    "no": ("nb-NO",),
    "fi": ("fi-FI",),
    "cs": ("cs-CZ",),
    "hu": ("hu-HU",),
    "ro": ("ro-RO",),
    "bg": ("bg-BG",),
    "hr": ("hr-HR",),
    "sk": ("sk-SK",),
    "tr": ("tr-TR",),
    "id": ("id-ID",),
    "vi": ("vi-VN",),
}
"""Languages that speech-to-text takes, as BCP 47 tags for vendors that want those; `multi` switches by itself."""

BYOK_PROVIDERS = (
    "deepgram",
    "openai",
    "elevenlabs",
    "inworld",
    "resend",
    "xai",
    "gladia",
    "mistral",
    "google",
    "google_vertex",
    "twilio",
    "signalwire",
    "telnyx",
    "plivo",
    "vonage",
)
"""Vendors for which an organization may bring its own key; a vendor's secret is named `<vendor>_secret_id`."""

GEMINI_VOICES = words(
    "Puck Achernar Achird Algenib Algieba Alnilam Aoede Autonoe Callirrhoe Charon Despina Enceladus Erinome "
    "Fenrir Gacrux Iapetus Kore Laomedeia Leda Orus Pulcherrima Rasalgethi Sadachbia Sadaltager Schedar Sulafat "
    "Umbriel Vindemiatrix Zephyr Zubenelgenubi"
)
GROK_VOICES = words(
    "ara eve leo rex sal altair atlas carina castor celeste cosmo helios helix iris kepler lumen luna lux naksh "
    "orion perseus rigel sirius ursa zagan zenith"
)

OPENAI_MODELS = words(
    "gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.2 gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano gpt-4.1 gpt-4.1-mini "
    "gpt-4.1-nano gpt-5.6-luna gpt-5.6-terra gpt-5.6-sol gpt-4o-mini"
)
OPENAI_LEGACY = ["gpt-5-nano", "gpt-4.1-nano", "gpt-4o-mini"]
MISTRAL_MODELS = words(
    "mistral-medium-latest mistral-small-latest mistral-large-latest ministral-8b-latest ministral-14b-latest "
    "ministral-3b-latest"
)
GEMINI_MODELS = words("gemini-3.5-flash-lite gemini-3.5-flash gemini-2.5-flash-lite gemini-2.5-flash")

GOOGLE_KEYS = ["google_secret_id", "google_vertex_secret_id"]
TOKENS = ["per_1m_input_tokens", "per_1m_output_tokens"]

_language = one_of(*LANGUAGES)
_unit = number(0, 1)
_max_tokens = integer(1, 32768)

PROVIDER_TOOLS: Rule = {
    "type": "array",
    "maxItems": 20,
    "items": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": one_of("web_search", "x_search", "file_search"),
            "allowed_x_handles": listing(string(64), 20),
            "vector_store_ids": {**listing(string(200), 100), "minItems": 1},
            "max_num_results": number(1, 50),
        },
        "if": {"required": ["type"], "properties": {"type": {"const": "file_search"}}},
        "then": {"required": ["vector_store_ids"]},
    },
}

LLM = (
    Provider(
        "openai",
        "OpenAI",
        kind="text",
        secrets=["openai_secret_id"],
        models=OPENAI_MODELS,
        legacy=OPENAI_LEGACY,
        post_call_model="gpt-5.4-mini",
        pricing=TOKENS,
        fields={"max_completion_tokens": _max_tokens},
        no_reasoning=["gpt-5.6-luna", "gpt-5.6-terra", "gpt-5.6-sol", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"],
    ),
    Provider(
        "xai",
        "xAI (Grok text)",
        kind="text",
        secrets=["xai_secret_id"],
        models=["grok-4.3"],
        post_call_model="grok-4.3",
        pricing=TOKENS,
        no_reasoning=["grok-4.3"],
    ),
    Provider(
        "mistral",
        "Mistral",
        kind="text",
        secrets=["mistral_secret_id"],
        models=MISTRAL_MODELS,
        post_call_model="mistral-medium-latest",
        pricing=TOKENS,
    ),
    Provider(
        "google",
        "Google Gemini (Vertex AI, EU)",
        kind="text",
        secrets=["google_vertex_secret_id"],
        models=GEMINI_MODELS,
        post_call_model="gemini-2.5-flash-lite",
        pricing=TOKENS,
        fields={"max_completion_tokens": _max_tokens},
        locations={
            "gemini-3.5-flash-lite": "eu",
            "gemini-3.5-flash": "eu",
            "gemini-2.5-flash-lite": "europe-west4",
            "gemini-2.5-flash": "europe-west4",
        },
    ),
    Provider(
        "google_realtime",
        "Google Gemini Live",
        kind="realtime",
        secrets=GOOGLE_KEYS,
        models=[
            "gemini-live-2.5-flash-native-audio",
            "gemini-2.5-flash-native-audio-preview-12-2025",
            "gemini-3.1-flash-live-preview",
            "gemini-3.8-live",
        ],
        legacy=["gemini-2.5-flash-native-audio-preview-12-2025"],
        post_call_provider="google",
        post_call_model={"google_secret_id": "gemini-3.5-flash-lite", "google_vertex_secret_id": GEMINI_MODELS[2]},
        pricing=["per_1m_audio_tokens_in", "per_1m_audio_tokens_out"],
        voices=GEMINI_VOICES,
        default_voice="Puck",
        fields={
            "vertexai": {**boolean(), "default": False},
            "location": string(64),
            "analysis_model": {**string(100), "deprecated": True},
            "max_output_tokens": _max_tokens,
        },
        model_secrets={
            "gemini-live-2.5-flash-native-audio": "google_vertex_secret_id",
            "gemini-2.5-flash-native-audio-preview-12-2025": "google_secret_id",
            "gemini-3.1-flash-live-preview": "google_secret_id",
            "gemini-3.8-live": "google_secret_id",
        },
    ),
    Provider(
        "xai_realtime",
        "xAI (Grok Realtime)",
        kind="realtime",
        secrets=["xai_secret_id"],
        models=["grok-voice-think-fast-2.0"],
        post_call_provider="xai",
        post_call_model="grok-4.3",
        pricing=["per_minute"],
        voices=GROK_VOICES,
        default_voice="ara",
        fields={
            "turn_detection": object_of(
                threshold=number(0, 1, default=0.5, clamp=True),
                prefix_padding_ms=number(0, 2000, default=300, clamp=True),
                silence_duration_ms=number(100, 2000, default=200, clamp=True),
                idle_timeout_ms=number(0, 30000, clamp=True),
            ),
            "reasoning_effort": one_of("none", "high"),
            "speed": number(0.7, 1.5, default=1),
            "transcription": object_of(language_hint=string(35), keyterms=listing(string(50), 100)),
            "provider_tools": PROVIDER_TOOLS,
        },
    ),
    Provider(
        "openai_live",
        "OpenAI GPT-Live",
        kind="realtime",
        secrets=["openai_secret_id"],
        models=["gpt-live-1"],
        post_call_provider="openai",
        post_call_model="gpt-5.4-mini",
        pricing=["per_minute"],
        voices=["marin", "beacon", "cinder", "stone", "vesper"],
        default_voice="marin",
        fields={
            "delegation": object_of(
                model={**one_of("gpt-5.6-luna"), "default": "gpt-5.6-luna"}, instructions=string(32_000)
            )
        },
    ),
    Provider("local", "Scripted demo model of this server", kind="text", models=["demo"], post_call_model="demo"),
)

STT = (
    Provider(
        "deepgram",
        "Deepgram",
        secrets=["deepgram_secret_id"],
        models=["nova-3", "nova-3-general"],
        pricing=["per_minute_streaming"],
        fields={
            "keyterms": strings(),
            "smart_format": boolean(),
            "endpointing": integer(0, 5000),
            "numerals": boolean(),
            "filler_words": boolean(),
            "utterance_end_ms": integer(1000, 5000),
            "no_delay": boolean(),
        },
    ),
    Provider(
        "elevenlabs",
        "ElevenLabs Scribe",
        secrets=["elevenlabs_secret_id"],
        models=["scribe_v2_realtime"],
        pricing=["per_hour"],
        fields={
            "tag_audio_events": boolean(),
            "include_timestamps": boolean(),
            "sample_rate": one_of(16000, 8000),
        },
    ),
    Provider(
        "gladia",
        "Gladia",
        secrets=["gladia_secret_id"],
        models=["solaria-1"],
        pricing=["per_hour"],
        fields={
            "languages": strings(),
            "code_switching": boolean(),
            "region": one_of("eu-west", "us-west"),
            "endpointing": number(0.01, 1),
            "custom_vocabulary": strings(),
            "translation_enabled": boolean(),
            "translation_target_languages": strings(),
        },
    ),
    Provider(
        "mistral",
        "Mistral (Voxtral)",
        secrets=["mistral_secret_id"],
        models=["voxtral-mini-latest"],
        pricing=["per_minute"],
    ),
    Provider(
        "google",
        "Google Cloud Speech (EU)",
        secrets=["google_vertex_secret_id"],
        models=["chirp_3"],
        pricing=["per_minute_streaming"],
        locations={"chirp_3": "eu"},
    ),
    Provider(
        "local",
        "Speech recognition on this server",
        models=["auto", "pocketsphinx", "sherpa-onnx"],
        fields={"keyterms": strings()},
    ),
)

_ELEVENLABS_EXPRESSIVE = ["stability", "apply_text_normalization", "language"]

TTS = (
    Provider(
        "elevenlabs",
        "ElevenLabs",
        aliases=["11labs"],
        secrets=["elevenlabs_secret_id"],
        models=[
            "eleven_flash_v2_5",
            "eleven_v4_turbo",
            "eleven_v4",
            "eleven_v3",
            "eleven_multilingual_v2",
            "eleven_turbo_v2_5",
        ],
        pricing=["per_1k_chars"],
        default_voice="EXAVITQu4vr4xnSDxMaL",
        fields={
            "stability": _unit,
            "similarity_boost": _unit,
            "style": _unit,
            "use_speaker_boost": boolean(),
            "speed": number(0.5, 2),
            "apply_text_normalization": one_of("auto", "on", "off"),
            "apply_language_text_normalization": boolean(),
            "language": string(35),
        },
        model_fields={
            "eleven_v4_turbo": _ELEVENLABS_EXPRESSIVE,
            "eleven_v4": _ELEVENLABS_EXPRESSIVE,
            "eleven_v3": _ELEVENLABS_EXPRESSIVE,
        },
    ),
    Provider(
        "inworld",
        "Inworld",
        secrets=["inworld_secret_id"],
        models=["inworld-tts-2", "inworld-tts-2-flash", "inworld-tts-1.5-max", "inworld-tts-1.5-mini"],
        legacy=["inworld-tts-1.5-max", "inworld-tts-1.5-mini"],
        pricing=["per_1m_chars"],
        fields={"language": string(35), "speed": number(0.5, 2)},
    ),
    Provider(
        "google",
        "Google (Gemini TTS, Chirp 3 HD)",
        secrets=GOOGLE_KEYS,
        models=[
            "gemini-3.1-flash-tts-preview",
            "gemini-2.5-flash-preview-tts",
            "gemini-2.5-pro-preview-tts",
            "chirp-3-hd",
        ],
        pricing=TOKENS,
        model_pricing={"chirp-3-hd": ["per_1m_chars"]},
        voices=GEMINI_VOICES,
        default_voice="Kore",
        fields={
            "instructions": string(4000),
            "language": string(35),
            "speaking_rate": number(0.25, 2, default=1),
        },
        model_secrets={
            "gemini-3.1-flash-tts-preview": "google_secret_id",
            "gemini-2.5-flash-preview-tts": "google_secret_id",
            "gemini-2.5-pro-preview-tts": "google_secret_id",
            "chirp-3-hd": "google_vertex_secret_id",
        },
        locations={"chirp-3-hd": "eu"},
    ),
    Provider(
        "xai",
        "xAI (Grok TTS)",
        secrets=["xai_secret_id"],
        pricing=["per_1m_chars"],
        voices=GROK_VOICES,
        default_voice="ara",
        fields={"language": string(35)},
    ),
    Provider(
        "voicedock",
        "VoiceDock (beta)",
        models=["voicedock-1"],
        pricing=["per_1m_chars"],
        voices=["voicedock"],
        default_voice="voicedock",
    ),
    Provider(
        "local",
        "Speech synthesis on this server",
        models=["auto", "espeak-ng", "sherpa-onnx"],
        default_voice="en",
        fields={"language": string(35), "speed": number(0.5, 2)},
    ),
)

POST_CALL_STT = (
    Provider(
        "elevenlabs",
        "ElevenLabs Scribe",
        secrets=["elevenlabs_secret_id"],
        models=["scribe_v2"],
        pricing=["per_hour"],
    ),
    Provider(
        "deepgram",
        "Deepgram",
        secrets=["deepgram_secret_id"],
        models=["nova-3", "nova-3-general"],
        pricing=["per_minute_batch"],
    ),
)

POST_CALL_LLM = (
    Provider(
        "openai",
        "OpenAI",
        secrets=["openai_secret_id"],
        models=OPENAI_MODELS,
        legacy=OPENAI_LEGACY,
        post_call_model="gpt-5.4-mini",
        pricing=TOKENS,
    ),
    Provider("xai", "xAI", secrets=["xai_secret_id"], models=["grok-4.3"], pricing=TOKENS),
    Provider("mistral", "Mistral", secrets=["mistral_secret_id"], models=MISTRAL_MODELS, pricing=TOKENS),
    Provider(
        "google",
        "Google",
        secrets=["google_vertex_secret_id"],
        models=GEMINI_MODELS,
        post_call_model="gemini-2.5-flash-lite",
        pricing=TOKENS,
    ),
    Provider("local", "Scripted demo model of this server", models=["demo"]),
)

COMMON_FIELDS: dict[str, dict[str, Rule]] = {
    "stt": {"language": _language},
    "llm": {"temperature": number(0, 2, default=0.7)},
    "tts": {},
    "postcall_stt": {"language": _language},
    "postcall_llm": {"language": string(35)},
}
"""Fields that every provider of a block takes, beside `provider`, `model` and the voice."""
