"""Calls over carriers' media streams: the carrier holds the telephone call, and sends its audio over a WebSocket."""
