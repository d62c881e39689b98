"""Why a call that came by a trunk is for none of its organization's numbers, and what its owner can do about it."""

from collections.abc import Sequence

from dialtone.trunks.uses import CallingTrunk

FOREIGN = "The number that was called is not of the trunk's organization."
INACTIVE = "The number that was called is not active: set its is_active to true (PATCH /numbers/{id})."
UNKNOWN = (
    "The number that was called is none of the organization's: add it (POST /numbers), or have the trunk call one that "
    "is."
)
NATIONAL = (
    "The trunk did not dial an international number, and has no country_code to read national ones by: set that "
    "(PATCH /sip-trunks/{id}), or have it dial numbers like +31201234567."
)
AT_CONTACT = (
    "The call came to the address that the trunk is registered with, and named no number: set the trunk's "
    "outbound_number to the one that it is for, or its country_code where it dials national numbers."
)
NO_NUMBER = "The trunk did not dial a telephone number: have it dial numbers like +31201234567."


def why(trunks: Sequence[CallingTrunk], dialled: str | None, *, is_number: bool, at_contact: bool) -> str:
    """In words, and what to do. `dialled`: as the trunk wrote it; `is_number`: it was read as one; `at_contact`: the
    call came to the address that the trunk is registered with.
    """
    written = dialled or ""
    reads_national = all(trunk.numbering.country_code is not None for trunk in trunks)
    if is_number:
        is_international = written.startswith(("+", *(trunk.numbering.international_prefix for trunk in trunks)))
        hint = " If it is a national number, set the trunk's country_code."
        return UNKNOWN if is_international or reads_national else UNKNOWN + hint
    if at_contact:
        return AT_CONTACT
    return NATIONAL if written[:1].isdigit() and not reads_national else NO_NUMBER
