"""Addresses that customers save: refused at once where it shows that nothing would ever be sent there."""

from collections.abc import Collection, Iterable

from dialtone.platform.addresses import check_url
from dialtone.platform.problems import problem


def address_problems(
    addresses: Iterable[tuple[str, object]], known: Collection[object], *, allow_private: bool
) -> list[str]:
    """What is wrong with these pairs of field path and URL. Those `known` were saved before: an object that is read and
    sent back must stay as it is, whatever the deployment allows meanwhile. What is no text is told elsewhere.
    """
    found = []
    for path, url in addresses:
        if isinstance(url, str) and url not in known:
            try:
                check_url(url, allow_private_addresses=allow_private)
            except ValueError as wrong:
                found.append(problem(path, str(wrong)))
    return found
