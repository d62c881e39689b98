"""Which speech models can be pulled, and what of each archive is kept.

They are the release archives of the sherpa-onnx project (https://github.com/k2-fsa/sherpa-onnx/releases, tags
`asr-models` and `tts-models`), described at https://k2-fsa.github.io/sherpa/onnx/pretrained_models/.
"""

from dataclasses import dataclass
from typing import Literal

RELEASES_URL = "https://github.com/k2-fsa/sherpa-onnx/releases/download"
NOTICES = ("README.md", "MODEL_CARD", "LICENSE")
"""Kept where an archive has them."""


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One archive. `files` are the paths below its single top folder; a trailing slash means a whole folder."""

    name: str
    kind: Literal["speech-to-text", "text-to-speech"]
    language: str
    about: str
    archive: str
    megabytes: int
    """Size of the download, roughly."""
    licence: str
    files: tuple[str, ...]
    sha256: str | None = None
    """None: the release's own checksum list says what to expect."""
    recommended: bool = False

    @property
    def release(self) -> str:
        """Tag of the release that holds the archive and its `checksum.txt`."""
        return "asr-models" if self.kind == "speech-to-text" else "tts-models"


CATALOG = (
    CatalogModel(
        name="stt-en",
        kind="speech-to-text",
        language="en",
        about="streaming Zipformer, English",
        archive="sherpa-onnx-streaming-zipformer-en-2023-06-26.tar.bz2",
        megabytes=296,
        licence="Apache-2.0",
        files=(
            "encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx",
            "decoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx",
            "joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx",
            "tokens.txt",
        ),
        recommended=True,
    ),
    CatalogModel(
        name="stt-en-small",
        kind="speech-to-text",
        language="en",
        about="small streaming Zipformer (20 million parameters), English",
        archive="sherpa-onnx-streaming-zipformer-en-20M-2023-02-17.tar.bz2",
        megabytes=122,
        licence="Apache-2.0",
        files=(
            "encoder-epoch-99-avg-1.int8.onnx",
            "decoder-epoch-99-avg-1.int8.onnx",
            "joiner-epoch-99-avg-1.int8.onnx",
            "tokens.txt",
        ),
    ),
    CatalogModel(
        name="tts-en",
        kind="text-to-speech",
        language="en",
        about="Piper voice LibriTTS-R, US English, 904 speakers",
        archive="vits-piper-en_US-libritts_r-medium.tar.bz2",
        megabytes=82,
        licence="CC-BY-4.0",
        files=("en_US-libritts_r-medium.onnx", "tokens.txt"),
        sha256="10dc268f3e371696d721486123e2705a9fc1faa113491979fde4d88dba1f1b1c",
        recommended=True,
    ),
    CatalogModel(
        name="tts-de",
        kind="text-to-speech",
        language="de",
        about="Piper voice Thorsten, German",
        archive="vits-piper-de_DE-thorsten-medium.tar.bz2",
        megabytes=67,
        licence="CC0-1.0",
        files=("de_DE-thorsten-medium.onnx", "tokens.txt"),
    ),
)


def find_model(name: str) -> CatalogModel | None:
    return next((model for model in CATALOG if model.name == name), None)
