"""Words for callers with whom no assistant talks, in the voice that needs no vendor."""

from dialtone.conversation.speech_cache import SpeechCache
from dialtone.conversation.tasks import Tasks
from dialtone.conversation.vendors import local_voice
from dialtone.conversation.voice import Voice
from dialtone.media.audio import AudioFormat
from dialtone.providers.factory import Vendors


async def announcement(
    text: str, language: str | None, audio: AudioFormat, vendors: Vendors, cache: SpeechCache, *, keep: bool
) -> bytes:
    """`text` as whole frames in the format `audio`; kept for the next caller if it is the same for all of them.

    Raises `ProviderError` where the deployment has no such voice.
    """
    tasks = Tasks("announcement")
    voice = Voice(local_voice(language, vendors), audio, cache, (), tasks.spawn)
    try:
        speech = await voice.recorded(text, keep=keep)
    finally:
        await voice.close()
        await tasks.stop()
    return b"".join(iter(speech.next_frame, None))
