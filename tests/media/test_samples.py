import numpy as np
import pytest

from dialtone.media.samples import peak_dbfs, rms_dbfs


def test_a_full_scale_square_is_zero_decibels():
    square = np.array([-32768, -32768] * 80, np.int16)
    assert rms_dbfs(square) == pytest.approx(0)
    assert peak_dbfs(square) == pytest.approx(0)


def test_a_sine_has_its_rms_three_decibels_under_its_peak():
    sine = np.rint(16384 * np.sin(np.arange(8000) * 2 * np.pi * 100 / 8000)).astype(np.int16)
    assert peak_dbfs(sine) == pytest.approx(-6.02, abs=0.01)
    assert rms_dbfs(sine) == pytest.approx(-9.03, abs=0.01)


@pytest.mark.parametrize("nothing", [np.zeros(0, np.int16), np.zeros(160, np.int16)])
def test_silence_is_infinitely_soft(nothing):
    assert rms_dbfs(nothing) == peak_dbfs(nothing) == float("-inf")
