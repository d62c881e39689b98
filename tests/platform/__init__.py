# ruff: noqa: A005  (named after the room under test)
