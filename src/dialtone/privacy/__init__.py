"""What is kept of callers goes again: after the organization's periods, or when a caller asks for it."""
