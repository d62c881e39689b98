"""Secrets at rest: the stored form, master keys, data keys, and the keys to sign with."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dialtone.platform.crypto import SecretKeyError, Secrets, WrappedKey
from dialtone.settings import Settings


def _data_key(secrets: Secrets, name: str, *, retired: bool = False) -> WrappedKey:
    return WrappedKey(name, secrets.new_data_key(name), retired)


def test_the_key_file_is_private_and_lasts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    stored = Secrets.from_settings(settings).encrypt("héllo")
    assert "héllo" not in stored
    assert Secrets.from_settings(settings).decrypt(stored) == "héllo"
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_the_key_file_may_hold_older_keys_below_the_newest(tmp_path: Path) -> None:
    settings, file = Settings(data_dir=tmp_path), tmp_path / "secret.key"
    stored = Secrets.from_settings(settings).encrypt("x")
    file.write_text(f"{Fernet.generate_key().decode()}\n{file.read_text()}\n")
    assert Secrets.from_settings(settings).decrypt(stored) == "x"
    file.write_text("\n")
    with pytest.raises(ValueError, match="holds no key"):
        Secrets.from_settings(settings)


def test_an_older_key_still_decrypts_and_a_lost_one_is_named() -> None:
    old, new = Secrets(["old passphrase"]), Secrets(["new passphrase", "old passphrase"])
    assert new.decrypt(old.encrypt("secret")) == "secret"
    with pytest.raises(SecretKeyError, match="DIALTONE_SECRET_KEY"):
        old.decrypt(new.encrypt("secret"))


_FERNET_KEY = "c2VjcmV0cyBvZiB2ZXJzaW9ucyBiZWZvcmUgZGF0YTA="
_OF_A_PASSPHRASE = (
    "gAAAAABrAs684qXJwqGhn6vnPouqKCe5uqNjTU8yjx4rQ4_A7jTYVdF6nrHqshtR2wNZ7_s6bOf65JqSY7P0Z9lAtMIQeub-KQ=="
)


@pytest.mark.parametrize(
    ("key", "token"),
    [("a passphrase", _OF_A_PASSPHRASE), (_FERNET_KEY, Fernet(_FERNET_KEY).encrypt(b"kept for years").decode())],
    ids=["passphrase", "key"],
)
def test_what_versions_before_data_keys_stored_still_opens(key: str, token: str) -> None:
    secrets = Secrets(["newest", key])
    assert secrets.decrypt(token) == "kept for years"
    renewed = secrets.renewed(token)
    assert renewed.startswith("v2:")
    assert Secrets(["newest"]).decrypt(renewed) == "kept for years"


def test_the_newest_data_key_encrypts_and_retired_ones_still_decrypt() -> None:
    secrets = Secrets(["key"])
    first = _data_key(secrets, "first")
    secrets.use([first])
    stored = secrets.encrypt("x")
    assert stored.startswith("v2:first:")
    assert secrets.renewed(stored) == stored
    second = _data_key(secrets, "second")
    secrets.use([WrappedKey("first", first.wrapped, retired=True), second])
    assert secrets.decrypt(stored) == "x"
    assert secrets.encrypt("x").startswith("v2:second:")
    assert secrets.renewed(stored).startswith("v2:second:")


def test_equal_secrets_are_stored_unequal() -> None:
    secrets = Secrets(["key"])
    assert secrets.encrypt("x") != secrets.encrypt("x")


@pytest.mark.parametrize("damage", [lambda s: s[:-6] + "AAAA==", lambda s: s[:10], lambda _: "v2:first:", lambda _: ""])
def test_what_was_tampered_with_does_not_open(damage: object) -> None:
    assert callable(damage)
    secrets = Secrets(["key"])
    secrets.use([_data_key(secrets, "first")])
    with pytest.raises(SecretKeyError):
        secrets.decrypt(damage(secrets.encrypt("a secret")))


def test_a_secret_does_not_open_under_another_keys_name_nor_a_data_key_in_anothers_place() -> None:
    secrets = Secrets(["key"])
    first, second = _data_key(secrets, "first"), _data_key(secrets, "second")
    secrets.use([first, second])
    with pytest.raises(SecretKeyError):
        secrets.decrypt(secrets.encrypt("x").replace("second", "first"))
    with pytest.raises(SecretKeyError, match="master key"):
        secrets.use([WrappedKey("first", second.wrapped, retired=False)])


def test_a_new_master_key_opens_data_keys_wrapped_anew_without_the_old_one() -> None:
    old = Secrets(["old"])
    key = _data_key(old, "first")
    old.use([key])
    stored = old.encrypt("x")
    both, new = Secrets(["new", "old"]), Secrets(["new"])
    wrapped = both.rewrap(key)
    assert both.rewrap(WrappedKey("first", wrapped, retired=False)) == wrapped
    with pytest.raises(SecretKeyError, match="master key"):
        new.use([key])
    new.use([WrappedKey("first", wrapped, retired=False)])
    assert new.decrypt(stored) == "x"


def test_unknown_keys_are_looked_up_once_and_then_used() -> None:
    here, elsewhere = Secrets(["key"]), Secrets(["key"])
    first = _data_key(here, "first")
    elsewhere.use([first, second := _data_key(here, "second")])
    here.use([first])
    looks: list[str] = []

    def look_up() -> None:
        looks.append("look")
        here.use([first, second])

    here.look_up = look_up
    assert here.decrypt(elsewhere.encrypt("x")) == "x"
    assert here.decrypt(elsewhere.encrypt("y")) == "y"
    assert len(looks) == 1


def test_signing_keys_change_when_a_rotation_is_over_and_older_ones_still_check() -> None:
    secrets = Secrets(["key"])
    first, second = _data_key(secrets, "first"), _data_key(secrets, "second")
    before_data_keys = secrets.derive("urls")
    secrets.use([first])
    signs = secrets.derive("urls")
    assert signs != secrets.derive("something else")
    secrets.use([first, second])
    assert secrets.derive("urls") == signs, "other processes may not know the second yet"
    new = secrets.derive_all("urls")[1]
    secrets.use([WrappedKey("first", first.wrapped, retired=True), second])
    assert secrets.derive("urls") == new
    assert {signs, before_data_keys} <= set(secrets.derive_all("urls"))
