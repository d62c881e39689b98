"""Have numbers at carriers what they need? Nobody is asked: only what is stored is looked at."""

from collections.abc import Mapping

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.settings import Settings


def examine(settings: Settings, numbers: Mapping[tuple[str, bool], int]) -> list[Finding]:
    """`numbers`: how many there are, by carrier and by whether their organization has a whole account there."""
    if not numbers:
        return []
    return [_public_url(settings.public_url), *(_account(*key, numbers[key]) for key in sorted(numbers))]


def _public_url(url: str | None) -> Finding:
    what = "carriers"
    if url is None:
        fix = "Set it to the address by which the Internet reaches this server, e.g. https://voice.example.com."
        return failed(what, "Numbers are at carriers, who can't reach the server: DIALTONE_PUBLIC_URL is not set.", fix)
    if not url.startswith("https://"):
        return warning(what, "DIALTONE_PUBLIC_URL is no https address; carriers take no other.", "Set one.")
    return ok(what, f"They are told to reach {url}.")


def _account(carrier: str, is_whole: bool, count: int) -> Finding:
    what, of_numbers = f"carrier {carrier}", f"{count} number{'' if count == 1 else 's'}"
    if is_whole:
        return ok(what, f"Key and settings are there for {of_numbers}.")
    fix = "Store them: POST /byok and POST /byok/config (docs/carriers.md)."
    return failed(what, f"The key or a setting is missing for {of_numbers}.", fix)
