"""`dialtone doctor`: finds out why something does not work, beside the running server or before it is started.

It changes nothing: no schema is upgraded, no key made, no call placed.
"""
