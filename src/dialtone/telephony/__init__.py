"""Telephone calls: who may call in, what becomes of a call, and the telephone that calls go out by."""
