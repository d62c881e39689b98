"""The table of prices: what parts of calls come to, and what files are refused."""

from pathlib import Path

import pytest

from dialtone.providers.prices import Prices
from dialtone.providers.use import VendorUse

TABLE = """
currency = "EUR"
[llm.openai."gpt-5.4"]
per_1m_input_tokens = 2.5
per_1m_output_tokens = 15.0
[stt.deepgram."nova-3"]
per_minute = 0.0048
[stt.deepgram."nova-3:multi"]
per_minute = 0.0058
[stt.elevenlabs."*"]
per_hour = 0.36
[tts.elevenlabs.eleven_v3]
per_1k_chars = 0.1
[postcall_stt.deepgram."nova-3"]
per_minute = 0.004
"""


@pytest.mark.parametrize(
    ("use", "cost"),
    [
        (VendorUse("llm", "openai", "gpt-5.4", input_tokens=1000, output_tokens=100), 2500 + 1500),
        (VendorUse("postcall_llm", "openai", "gpt-5.4", input_tokens=1000), 2500),
        (VendorUse("stt", "deepgram", "nova-3", "en", audio_seconds=90), 7200),
        (VendorUse("stt", "deepgram", "nova-3", "multi", audio_seconds=60), 5800),
        (VendorUse("stt", "elevenlabs", "scribe_v2_realtime", audio_seconds=10), 1000),
        (VendorUse("postcall_stt", "deepgram", "nova-3", "multi", audio_seconds=60), 4000),
        (VendorUse("tts", "elevenlabs", "eleven_v3", characters=1234), 123_400),
        (VendorUse("tts", "elevenlabs", "eleven_v4", characters=1234), None),
        (VendorUse("llm", "mistral", "mistral-small-latest", input_tokens=1), None),
        (VendorUse("tts", "elevenlabs", "eleven_v4"), 0),
    ],
)
def test_what_a_part_of_a_call_comes_to_in_millionths(use: VendorUse, cost: int | None) -> None:
    assert Prices.parse(TABLE, "test").cost(use) == cost


def test_the_packaged_table_is_used_unless_another_is_named(tmp_path: Path) -> None:
    packaged = Prices.load()
    assert packaged.currency == "USD"
    assert packaged.cost(VendorUse("tts", "local", "espeak-ng", characters=500)) == 0
    assert packaged.cost(VendorUse("llm", "openai", "gpt-5.4-mini", input_tokens=10_000, output_tokens=100)) == 7950
    (tmp_path / "mine.toml").write_text(TABLE)
    assert Prices.load(tmp_path / "mine.toml").currency == "EUR"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("currency = ", "is not TOML"),
        ("", "currency: must be a code of three letters"),
        ('currency = "EUR"\n[tls.x."y"]\nper_minute = 1', "tls: must be one of stt, llm, tts"),
        ('currency = "EUR"\n[tts]\nx = 1', "tts.x: must be a table"),
        ('currency = "EUR"\n[tts.x."y"]\nper_word = 1', "tts.x.y.per_word: must be one of"),
        ('currency = "EUR"\n[tts.x."y"]\nper_1k_chars = -1', "must be a price, 0 or more"),
        ('currency = "EUR"\n[tts.x."y"]\nper_1k_chars = true', "must be a price, 0 or more"),
        ('currency = "EUR"\n[tts.x."y"]\nper_1k_chars = nan', "must be a price, 0 or more"),
        ('currency = "EUR"\n[stt.x."y"]\nper_hour = 1\nper_minute = 1', "must have per_minute or per_hour, not both"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.toml") as refused:
        Prices.load(tmp_path / "mine.toml")
    assert words in str(refused.value)


def test_a_table_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"DIALTONE_PRICES_FILE: .*gone.toml can't be read"):
        Prices.load(tmp_path / "gone.toml")
