"""Kamailio with the configuration that docs/kamailio.md shows, its addresses changed for the test."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.sip.peers.programs import program, running, until_listening
from tests.sip.peers.test_sipp import free_port

CONFIGURATION = Path(__file__).parents[3] / "docs" / "kamailio" / "kamailio.cfg"
DIALTONE_PASSWORD, TELEPHONE_PASSWORD = "change-this-password", "and-this-one"
DIALTONE_NUMBER, TELEPHONE_NUMBER = "+31201234567", "+31612345678"


def telephone_account(port: int) -> str:
    """Of a baresip that logs in at Kamailio and takes calls at once."""
    outbound = f'outbound="sip:127.0.0.1:{port};transport=udp"'
    return f";regint=60;auth_pass={TELEPHONE_PASSWORD.replace(' ', '%20')};{outbound};answermode=auto"


@asynccontextmanager
async def kamailio(folder: Path, dialtone_port: int) -> AsyncIterator[int]:
    """Its port. Dialtone's numbers lead to `dialtone_port`."""
    path, port = program("kamailio"), free_port()
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    changed = CONFIGURATION.read_text()
    for documented, ours in (
        ("192.0.2.5:5060", f"127.0.0.1:{port}"),
        ("192.0.2.10:5060", f"127.0.0.1:{dialtone_port}"),
        ("children=4", "children=2"),
    ):
        assert documented in changed
        changed = changed.replace(documented, ours)
    (folder / "kamailio.cfg").write_text(changed)
    # -DD: stay in the foreground, with children; -E: log to standard error.
    command = [path, "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4"]
    command += ["-Y", str(folder), "-u", getpass.getuser()]
    async with running(*command, folder=folder):
        await until_listening(port)  # on TCP after it does on UDP
        yield port
