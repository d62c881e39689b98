"""`speech_config`: how an assistant takes turns, pronounces, fills silences and says goodbye."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from dialtone.platform.fields import Between, Part, rule


def _speakable(value: str) -> str:
    if sum(character.isalnum() for character in value) < 2:
        raise rule("must have at least 2 letters or digits")
    return value


Line = Annotated[str, Field(min_length=1, max_length=300)]
Closing = Annotated[str, Field(max_length=300)]
Phrase = Annotated[str, Field(max_length=100), AfterValidator(_speakable)]


class TurnTakingConfig(Part):
    """When the assistant answers and when it lets itself be interrupted. Not used by realtime models."""

    endpointing_min_delay: Annotated[float, Between(0.1, 5)] = Field(
        default=0.4, description="Seconds of silence after which a finished sentence is answered."
    )
    endpointing_max_delay: Annotated[float, Between(0.1, 5)] = Field(
        default=2.0, description="Seconds of silence after which anything is answered.", validate_default=True
    )
    interruption_min_duration: Annotated[float, Between(0.05, 2)] = Field(
        default=0.3, description="Seconds of speech that interrupt the assistant."
    )
    interruption_min_words: Annotated[int, Between(0, 10)] = Field(
        default=0, description="Words that interrupt the assistant; 0 = any speech does."
    )
    false_interruption_timeout: Annotated[float, Between(0.2, 5)] | None = Field(
        default=1.5, description="Seconds without words after which an interrupted sentence goes on; null = never."
    )

    @field_validator("endpointing_max_delay")
    @classmethod
    def _not_below_minimum(cls, value: float, info: ValidationInfo) -> float:
        minimum = info.data.get("endpointing_min_delay")
        if minimum is not None and value < minimum:
            raise rule(f"must be at least endpointing_min_delay, which is {minimum}")
        return value


class Pronunciation(Part):
    """A literal replacement in what is spoken. Not used by realtime models."""

    from_text: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        alias="from", description="What is written.", examples=["Vodafone"]
    )
    to: Annotated[str, Field(max_length=128)] = Field(
        description="What is spoken in its place.", examples=["Woh-dah-fone"]
    )


class BackgroundAudio(Part):
    """Sounds of a place behind the assistant's voice."""

    enabled: bool = Field(default=False, description="Play them.")
    clip: Literal["office", "city", "forest", "crowded_room"] = Field(default="office", description="The place.")
    volume: Annotated[float, Between(0.05, 1)] = Field(default=0.3, description="How loud; 1 = full.")


class SilenceConfig(Part):
    """What is said to a caller who says nothing, where `autonomous_silence_handling` is on."""

    messages: Annotated[list[Line], Field(max_length=5)] = Field(
        default_factory=list, description="Spoken one after the other; without any, the language model finds words."
    )
    final_message: Closing | None = Field(default=None, description="Spoken before hanging up.")
    first_check_seconds: Annotated[float, Between(1, 60)] | None = Field(
        default=None, description="Seconds of silence before the first message; absent = `silence_timeout_seconds`."
    )
    interval_seconds: Annotated[float, Between(3, 120)] = Field(
        default=12.0, description="Seconds of silence between two messages."
    )
    max_attempts: Annotated[int, Between(1, 10)] = Field(
        default=3, description="How many messages are spoken before hanging up."
    )


class KeypadConfig(Part):
    """How the caller's keys are gathered. What was entered is a message of the caller, such as `(pressed 1 2)`."""

    terminator: Literal["#", "*"] | None = Field(
        default="#", description="The key that ends the digits before it; null = none does."
    )
    timeout_seconds: Annotated[float, Between(0.5, 30)] = Field(
        default=2.0, description="Seconds after the last key that end the digits."
    )
    max_digits: Annotated[int, Between(1, 32)] = Field(
        default=32, description="So many digits are an entry without further waiting."
    )
    interrupts: bool = Field(
        default=True, description="An entry interrupts the assistant; else it waits until the assistant has finished."
    )


class SpeechConfig(Part):
    """How the assistant speaks and listens, beyond the choice of vendors."""

    turn_taking: TurnTakingConfig | None = None
    pronunciation: Annotated[list[Pronunciation], Field(max_length=50)] | None = Field(
        default=None, description="Replacements in what is spoken, in this order."
    )
    background_audio: BackgroundAudio | None = Field(default=None, description="Sounds behind the voice; null = none.")
    silence: SilenceConfig | None = None
    keypad: KeypadConfig | None = Field(default=None, description="How keys are gathered; null = by the defaults.")
    end_call_message: Closing | None = Field(
        default=None, description="Spoken before the assistant itself hangs up. Not used by realtime models."
    )
    first_message_outbound: Closing | None = Field(
        default=None, description="Replaces `first_message` on outbound calls."
    )
    early_message: Closing | None = Field(
        default=None,
        description="Spoken on inbound telephone calls before they are answered (early media), so that callers don't "
        "pay for it yet; null = no early media.",
        examples=["This call costs nothing."],
    )
    end_call_phrases: Annotated[list[Phrase], Field(max_length=5)] | None = Field(
        default=None, description="The call ends once the assistant has said one of these."
    )
