"""What all calls of a process share."""

from dataclasses import dataclass, field

from dialtone.conversation.listening import VoiceDetector
from dialtone.conversation.speech_cache import SpeechCache
from dialtone.media.ambience import AmbienceLibrary
from dialtone.media.clock import MediaClock
from dialtone.media.recorder import RecordingWriter


@dataclass(frozen=True, slots=True)
class Shared:
    clock: MediaClock
    detector: VoiceDetector
    recordings: RecordingWriter
    speech: SpeechCache
    ambience: AmbienceLibrary = field(default_factory=AmbienceLibrary)
