"""Secrets at rest: what a user entrusts to us is stored encrypted and shown masked."""

import base64
import hashlib
import os
from pathlib import Path
from tempfile import mkstemp

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dialtone.settings import Settings

MASK = "********"
"""Stands for a stored secret in every response. Sent back, it means: unchanged."""


class SecretKeyError(Exception):
    """The key that encrypted a stored secret is not the one in use."""


class Secrets:
    """Encrypts and decrypts stored secrets with Fernet (AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, keys: list[str]) -> None:
        """`keys` are passphrases or Fernet keys: the first encrypts, the others still decrypt."""
        self._fernet = MultiFernet([_fernet(key) for key in keys])
        self._newest = keys[0]

    @classmethod
    def from_settings(cls, settings: Settings) -> "Secrets":
        """The deployment's key: DIALTONE_SECRET_KEY (newest first, separated by commas), or else the file
        `secret.key` in the data directory, made at the first start. Raises `OSError` where that can't be written.
        """
        configured = settings.secret_key.get_secret_value() if settings.secret_key else ""
        keys = [key.strip() for key in configured.split(",") if key.strip()]
        return cls(keys or [_key_file(settings.data_dir / "secret.key")])

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for signing, the same in every process of the deployment, another for each purpose."""
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(self._newest.encode())

    def decrypt(self, stored: str) -> str:
        """Raises `SecretKeyError` where no known key fits."""
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise SecretKeyError(
                "a stored secret was encrypted with another DIALTONE_SECRET_KEY; bring the old key back"
            ) from None


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        # A passphrase. The salt is fixed because every process of a deployment must arrive at the same key.
        derived = hashlib.scrypt(key.encode(), salt=b"dialtone stored secrets", n=2**14, r=8, p=1, dklen=32)
        return Fernet(base64.urlsafe_b64encode(derived))


def _key_file(path: Path) -> str:
    """The file's key. A new file appears complete and readable by its owner alone, whichever process wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = mkstemp(dir=path.parent, prefix=".secret-")  # created with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(temporary)
    return path.read_text().strip()
