import asyncio
import gc
import logging
import re
import time

import pytest

from dialtone.platform.loop_watchdog import LoopWatchdog


def stand_still_here(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_a_stall_is_counted_and_its_place_named(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = LoopWatchdog()
    watchdog.start()
    beaten = asyncio.Event()
    stand_still_here(0.2)
    asyncio.get_running_loop().call_later(0.03, beaten.set)
    await beaten.wait()
    with caplog.at_level(logging.INFO):
        watchdog.stop()
    assert watchdog.stalls >= 1
    assert 0.1 < watchdog.worst_stall < 5
    assert "stand_still_here" in caplog.text
    assert "event loop:" in caplog.text


async def test_a_stall_in_which_the_loop_runs_nobodys_code_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dialtone.platform.loop_watchdog")
    watchdog = LoopWatchdog()
    watchdog.start()
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    loop.call_soon(time.sleep, 0.15)  # as on a machine that is busy with others: no frame but the loop's
    loop.call_soon(woken.set)
    await woken.wait()
    watchdog.stop()
    in_loop = [each for each in caplog.records if re.search(r"> _run \(events.py:\d+\)$", each.message)]
    assert {each.levelno for each in in_loop} == {logging.DEBUG}


async def test_nothing_is_left_behind() -> None:
    callbacks = len(gc.callbacks)
    watchdog = LoopWatchdog()
    watchdog.start()
    gc.collect()
    watchdog.stop()
    watchdog.stop()
    assert watchdog.worst_collection > 0
    assert len(gc.callbacks) == callbacks
