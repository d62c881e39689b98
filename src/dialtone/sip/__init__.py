"""A SIP user agent (RFC 3261 and its extensions) on asyncio. It knows no audio and imports nothing of ours."""
