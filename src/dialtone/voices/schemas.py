"""Voices as the API shows them."""

from pydantic import BaseModel, Field


class VoiceDescription(BaseModel):
    """What a voice is, for people who choose one."""

    en: str = Field(description="In English.", examples=["Dutch. Spoken by espeak-ng, plainly a robot."])
    nl: str = Field(description="In Dutch.", examples=["Nederlands. Gesproken door espeak-ng, hoorbaar een robot."])


class VoiceObject(BaseModel):
    """A voice that needs no vendor."""

    id: str = Field(
        description='The `voice_id` of a `tts_config` whose `provider` is `"local"`.', examples=["nl", "tts-en"]
    )
    name: str = Field(description="The voice's name.", examples=["Dutch"])
    language: str = Field(description="BCP 47 code of its language, in lower case.", examples=["nl", "en-us"])
    description: VoiceDescription = Field(description="The voice in a sentence.")
    installed: bool = Field(
        description="Whether an assistant can speak with it now. False: the description says what to install."
    )


class VoicesAnswer(BaseModel):
    """The local voices of this deployment."""

    voices: list[VoiceObject] = Field(description="Natural voices first, then by language.")
