"""A secret that a client sent, beside the one that is stored."""

from dialtone.platform.crypto import MASK, SecretKeyError, Secrets

MASK_WITHOUT_SECRET = "is the mask of a secret, and none is stored; give the secret itself"


def sealed(secrets: Secrets, given: str, stored: str | None) -> str | None:
    """What to store: the stored ciphertext where the mask or the same secret came back, else `given` encrypted.

    None for the mask where no secret is stored: `MASK_WITHOUT_SECRET` says so to the client.
    """
    if given == MASK:
        return stored
    if stored is not None and _opens_to(secrets, stored, given):
        return stored
    return secrets.encrypt(given)


def _opens_to(secrets: Secrets, stored: str, given: str) -> bool:
    try:
        return secrets.decrypt(stored) == given
    except SecretKeyError:
        return False
