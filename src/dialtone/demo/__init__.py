"""`dialtone demo`: a recorded caller books a table with an assistant that needs no key and nothing to download."""

from dialtone.demo.show import main

__all__ = ["main"]
