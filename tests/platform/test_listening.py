import asyncio
import socket

from dialtone.platform.listening import listen


async def test_small_answers_leave_at_once() -> None:
    """Held back until the one before is acknowledged (Nagle), frames of audio would come in bunches."""
    [listening] = await listen("127.0.0.1", 0, 1)
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = writer.get_extra_info("socket")
        told.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async with await asyncio.start_server(on_connection, sock=listening):
        _, writer = await asyncio.open_connection(*listening.getsockname())
        assert await told
        writer.close()
