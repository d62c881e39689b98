"""The far end of a web call: what `dialtone call`, the demo and tests use to talk to a server."""

from dialtone.client.track import Track, write_stereo
from dialtone.client.web_call import CallEvent, WebCallClient, WebCallError

__all__ = ["CallEvent", "Track", "WebCallClient", "WebCallError", "write_stereo"]
