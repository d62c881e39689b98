"""The parser at its limits."""

import pytest

from dialtone.platform.strict_json import InvalidJsonError, parse


def test_depth_up_to_the_limit_is_fine() -> None:
    assert parse(b"[" * 64 + b"]" * 64)
    with pytest.raises(InvalidJsonError, match="levels"):
        parse(b"[" * 65 + b"]" * 65)
