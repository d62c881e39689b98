import asyncio
import sys

from dialtone.providers.local.worker import PASSED_ENVIRONMENT

SECONDS = 20
SERVER = """
import asyncio, sys, time
from dialtone.providers.local.worker import Worker

async def serve():
    worker = await Worker.start("test", "dialtone.providers.local.children.espeak", ())
    print(worker.process_id, flush=True)
    await asyncio.sleep(3600)

asyncio.run(serve())
"""


async def test_a_worker_ends_when_its_server_is_killed() -> None:
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    async with asyncio.timeout(SECONDS):
        worker = int(await server.stdout.readline())
        server.kill()
        await server.wait()
        while _is_running(worker):  # noqa: ASYNC110 - the kernel tells only a parent of a process's end
            await asyncio.sleep(0.01)


def _is_running(process_id: int) -> bool:
    """A zombie, which only its parent can remove, has ended."""
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_worker_gets_no_keys_of_the_server() -> None:
    assert not [name for name in PASSED_ENVIRONMENT if "KEY" in name or "URL" in name or name.startswith("DIALTONE")]
