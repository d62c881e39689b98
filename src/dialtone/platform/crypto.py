"""Secrets at rest: what a user entrusts to us is stored encrypted and shown masked.

Envelope encryption: secrets are encrypted with data keys; the data keys lie in the database, encrypted with the master
key, which does not. A new master key so means to encrypt a handful of data keys again. What is stored reads
`v2:<id of the key>:<nonce and ciphertext>`; the key's id is authenticated along with it. Versions before data keys
stored Fernet tokens made with the master key; those still decrypt, until a rotation has replaced them.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dialtone.settings import Settings

MASK = "********"
"""Stands for a stored secret in every response. Sent back, it means: unchanged."""

FORMAT = "v2"
KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each value: safe for 2**32 values of one key (NIST SP 800-38D, 8.3)."""


class SecretKeyError(Exception):
    """The key that encrypted a stored secret is not the one in use."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored."""

    id: str
    wrapped: str
    """The key, encrypted with a master key."""
    retired: bool
    """Only decrypts, and checks older signatures."""


@dataclass(frozen=True, slots=True)
class _Ring:
    """The keys in use. Replaced as a whole, because secrets are also decrypted in threads."""

    ciphers: dict[str, AESGCM]
    """Master keys and data keys by their ids."""
    encrypting: str
    """Id of the key for new secrets."""
    signing: tuple[bytes, ...]
    """Keys that signing keys are derived from: the first signs, all of them check."""


class Secrets:
    """Encrypts and decrypts stored secrets, with AES-256-GCM. Safe to use from threads.

    Until data keys are given to `use`, secrets are encrypted with the master key itself.
    """

    def __init__(self, keys: list[str]) -> None:
        """`keys` are the master keys, passphrases or Fernet keys: the newest first, the others still decrypt."""
        materials = [_material(key) for key in keys]
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(material)) for material in materials])
        self._masters = {
            _derived(material, "dialtone master key id")[:8].hex(): AESGCM(_derived(material, "dialtone master key"))
            for material in materials
        }
        self._master = next(iter(self._masters))
        self._master_signing = tuple(key.encode() for key in keys)
        self._ring = _Ring(self._masters, self._master, self._master_signing)
        self.look_up: Callable[[], None] | None = None
        """Called for a value whose key is unknown: another process may have made a new data key. It calls `use`."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "Secrets":
        """The deployment's master keys: DIALTONE_SECRET_KEY (newest first, separated by commas), or else the lines of
        the file `secret.key` in the data directory, made at the first start. Raises `OSError` where that can't be
        written, `ValueError` where it is empty.
        """
        configured = settings.secret_key.get_secret_value() if settings.secret_key else ""
        keys = [key.strip() for key in configured.split(",") if key.strip()]
        return cls(keys or _key_file(settings.data_dir / "secret.key"))

    @property
    def master_keys(self) -> int:
        """How many master keys are configured."""
        return len(self._masters)

    def use(self, data_keys: Iterable[WrappedKey]) -> None:
        """From now on use these data keys, given oldest first. The newest encrypts. The oldest that is not retired
        signs: while a rotation goes on, other processes may not know the newest yet.

        Raises `SecretKeyError` where no master key opens one of them.
        """
        ciphers, encrypting = dict(self._masters), self._master
        active: list[bytes] = []
        retired: list[bytes] = []
        for key in data_keys:
            plain = self._unwrap(key)
            ciphers[key.id] = AESGCM(plain)
            (retired if key.retired else active).append(plain)
            encrypting = encrypting if key.retired else key.id
        self._ring = _Ring(ciphers, encrypting, (*active, *reversed(retired), *self._master_signing))

    def new_data_key(self, key_id: str) -> str:
        """A new random data key, encrypted with the newest master key."""
        return _seal(self._masters[self._master], self._master, os.urandom(KEY_BYTES), key_id)

    def rewrap(self, key: WrappedKey) -> str:
        """The stored data key, encrypted with the newest master key; the same where it is already.

        Raises `SecretKeyError`.
        """
        if _key_id(key.wrapped) == self._master:
            return key.wrapped
        return _seal(self._masters[self._master], self._master, self._unwrap(key), key.id)

    def encrypt(self, secret: str) -> str:
        ring = self._ring
        return _seal(ring.ciphers[ring.encrypting], ring.encrypting, secret.encode())

    def decrypt(self, stored: str) -> str:
        """Raises `SecretKeyError` where no known key fits."""
        key_id = _key_id(stored)
        try:
            if key_id is None:
                return self._fernet.decrypt(stored.encode()).decode()
            if key_id not in self._ring.ciphers and self.look_up is not None:
                self.look_up()
            return _open(self._ring.ciphers[key_id], stored).decode()
        except (InvalidToken, InvalidTag, KeyError, ValueError):
            raise SecretKeyError(
                "a stored secret was encrypted with another DIALTONE_SECRET_KEY; bring the old key back"
            ) from None

    def renewed(self, stored: str) -> str:
        """The stored secret, encrypted with the newest data key; the same where it is already.

        Raises `SecretKeyError`.
        """
        return stored if _key_id(stored) == self._ring.encrypting else self.encrypt(self.decrypt(stored))

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes to sign with, the same in every process of the deployment, another for each purpose.

        Ask for it whenever something is signed: a rotation changes it, and the data keys load after the app is built.
        """
        return _derived(self._ring.signing[0], purpose)

    def derive_all(self, purpose: str) -> list[bytes]:
        """Keys to check a signature with: the one that signs now, and those that did before."""
        return [_derived(key, purpose) for key in self._ring.signing]

    def _unwrap(self, key: WrappedKey) -> bytes:
        try:
            return _open(self._masters[_key_id(key.wrapped) or ""], key.wrapped, key.id)
        except (InvalidTag, KeyError, ValueError):
            raise SecretKeyError(
                "the secrets in this database were encrypted with another master key; bring back the old "
                "DIALTONE_SECRET_KEY, or the file secret.key of the data directory they were stored with"
            ) from None


def _seal(cipher: AESGCM, key_id: str, plain: bytes, place: str = "") -> str:
    """`place` names what the value belongs to; put anywhere else it does not open."""
    head, nonce = f"{FORMAT}:{key_id}:", os.urandom(NONCE_BYTES)
    sealed = nonce + cipher.encrypt(nonce, plain, (head + place).encode())
    return head + base64.urlsafe_b64encode(sealed).decode()


def _open(cipher: AESGCM, stored: str, place: str = "") -> bytes:
    """Raises `InvalidTag` or `ValueError`."""
    head, _, body = stored.rpartition(":")
    sealed = base64.urlsafe_b64decode(body)
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], f"{head}:{place}".encode())


def _key_id(stored: str) -> str | None:
    """The id of the key that encrypted this value; None for a Fernet token, which holds no colon."""
    parts = stored.split(":")
    return parts[1] if len(parts) == 3 and parts[0] == FORMAT else None


def _material(key: str) -> bytes:
    """The 32 bytes of a Fernet key, or as many stretched from a passphrase."""
    try:
        Fernet(key)
    except ValueError:
        # The salt is fixed because every process of a deployment must arrive at the same key.
        return hashlib.scrypt(key.encode(), salt=b"dialtone stored secrets", n=2**14, r=8, p=1, dklen=KEY_BYTES)
    return base64.urlsafe_b64decode(key)


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(key)


def _key_file(path: Path) -> list[str]:
    """The file's keys. A new file appears complete and readable by its owner alone, whichever process wins."""
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
    keys = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if not keys:
        raise ValueError(f"{path} holds no key; bring its contents back, or remove the file to have a new key made")
    return keys
