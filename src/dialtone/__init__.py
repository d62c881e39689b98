"""Dialtone: AI assistants that answer and place real calls, in one process."""

__version__ = "0.1.0"
