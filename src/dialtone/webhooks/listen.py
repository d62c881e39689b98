"""`dialtone webhooks listen`: shows on a developer's machine what arrives, and whether its signature is good."""

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Mapping

from aiohttp import web

from dialtone.platform.webhook_signing import sign

HOST = "127.0.0.1"
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 16 * 1024 * 1024

Tell = Callable[[str], None]


def verdict(secret: str | None, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """What is to be said of a request's signature."""
    signature, timestamp = headers.get("X-Webhook-Signature"), headers.get("X-Webhook-Timestamp", "")
    if secret is None:
        return "not signed" if signature is None else "signed; give --secret to check it"
    if signature is None:
        return "NOT SIGNED"
    if not (timestamp.isascii() and timestamp.isdigit()):
        return "NO TIMESTAMP"
    if not hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode()):
        return "WRONG SIGNATURE"
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return f"TOO OLD OR TOO NEW: signed {now - int(timestamp):.0f} s ago"
    return "signature good"


def listener(secret: str | None, tell: Tell) -> web.Application:
    """Takes every request; refuses with 401 what is not signed as it should be."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        said = verdict(secret, request.headers, body, time.time())
        event = request.headers.get("X-Webhook-Event", "no event named")
        tell(f"{event}  {request.headers.get('X-Webhook-Id', '')}  {said}")
        tell(_shown(body))
        if secret is not None and said != "signature good":
            return web.json_response({"error": said}, status=401)
        # To an assistant-request and to a tool this means: nothing to add.
        return web.json_response({})

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/{path:.*}", receive)
    return app


async def listen(port: int, secret: str | None, tell: Tell) -> None:
    """Until cancelled. Raises `OSError` where the port is taken."""
    runner = web.AppRunner(listener(secret, tell), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        tell(f"listening on http://{HOST}:{runner.addresses[0][1]}/ (Ctrl-C ends it)")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _shown(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="backslashreplace")
