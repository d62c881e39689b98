import numpy as np
import pytest

from dialtone.media.waveform import envelope


def test_each_column_shows_the_extremes_of_its_stretch():
    samples = np.array([1, -5, 3, 9, -2, 0, 7, 7, -32768, 32767], np.int16)
    low, high = envelope(samples, 5)
    assert low.tolist() == [-5, 3, -2, 7, -32768]
    assert high.tolist() == [1, 9, 0, 7, 32767]


@pytest.mark.parametrize("count", [1, 3, 999, 1000, 12347])
def test_every_sample_is_in_some_column(count):
    samples = np.random.default_rng(count).integers(-32768, 32767, count, dtype=np.int16)
    low, high = envelope(samples, 1000)
    assert low.size == high.size == 1000
    assert (low <= high).all()
    assert (low.min(), high.max()) == (samples.min(), samples.max())


def test_no_samples_draw_a_flat_line():
    low, high = envelope(np.zeros(0, np.int16), 4)
    assert low.tolist() == high.tolist() == [0, 0, 0, 0]


def test_no_columns_are_refused():
    with pytest.raises(ValueError, match="at least one column"):
        envelope(np.zeros(4, np.int16), 0)
