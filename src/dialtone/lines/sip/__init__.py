"""Telephone calls: the SIP user agent and RTP joined to a `Line`."""
