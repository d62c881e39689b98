"""With which account at Resend an organization's domain is kept."""

from collections.abc import Awaitable, Callable

from dialtone.domains.resend import Resend
from dialtone.platform.errors import ApiError
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.settings import Settings

OwnKey = Callable[[str], Awaitable[str | None]]
"""An organization's own key of Resend, by the organization's id."""

_STORE_KEY = "store your Resend key: POST /byok with provider resend"


class Accounts:
    """The organizations' own accounts, and the deployment's for those that have none."""

    def __init__(self, http: GuardedHttp, settings: Settings, own_key: OwnKey) -> None:
        self._http = http
        self._base_url = settings.resend_base_url
        own_goes_there = settings.byok_to_base_urls
        self._own_base_url = self._base_url if own_goes_there else Settings.model_fields["resend_base_url"].default
        self._deployment_key = settings.resend_api_key.get_secret_value() if settings.resend_api_key else ""
        self._own_key = own_key

    async def of(self, organization_id: str) -> Resend:
        """The organization's own account, else the deployment's. Raises `ApiError` (409) where there is neither."""
        for own in (True, False):
            if account := await self.find(organization_id, own=own):
                return account
        advice = f"To use e-mail domains, {_STORE_KEY}, or set RESEND_API_KEY for the deployment."
        raise _not_configured(advice)

    async def own(self, organization_id: str) -> Resend:
        """The organization's own account. Raises `ApiError` (409) without one: the deployment's holds the domains of
        others too, which nobody else may see or choose.
        """
        if account := await self.find(organization_id, own=True):
            return account
        raise _not_configured(f"To choose among the domains of your Resend account, {_STORE_KEY}.")

    async def find(self, organization_id: str, *, own: bool) -> Resend | None:
        """The organization's own or the deployment's account; None without its key."""
        key = await self._own_key(organization_id) if own else self._deployment_key
        base_url = self._own_base_url if own else self._base_url
        return Resend(self._http, base_url, key, own=own) if key else None

    async def holding(self, organization_id: str, *, own: bool) -> Resend:
        """The account in which a domain is. Raises `ApiError` (409) where its key is gone."""
        if account := await self.find(organization_id, own=own):
            return account
        raise _not_configured(
            f"The domain is in your own Resend account: {_STORE_KEY}."
            if own
            else "The domain is in the deployment's Resend account, whose RESEND_API_KEY is not set."
        )


def _not_configured(message: str) -> ApiError:
    return ApiError(409, "resend_not_configured", "Resend is not configured", message)
