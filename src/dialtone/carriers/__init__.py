"""Carriers' requests: whose they are, and what becomes of the calls that they tell of."""
