"""How much one client may ask: so many requests of a caller, so many failed ones of an address.

Whoever shows good credentials is never held up by what others at the same address do: addresses
are counted only where credentials fail.
"""

import math

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.throttling import SimpleRateThrottle

from approvals.models import Caller, User
from approvals.origin import origin


class TooMany(HttpError):
    """429. `wait` is the number of seconds after which it may be tried again."""

    def __init__(self, wait: float) -> None:
        self.wait = max(1, math.ceil(wait))
        super().__init__(429, f"Too many requests. Please wait {self.wait} seconds.")


class Limit(SimpleRateThrottle):
    """One rate, as `1200/min`, counted under one name in Django's cache.

    It serves one request: the library keeps the request's state in it, and we have threads.
    """

    def __init__(self, rate: str, name: str) -> None:
        super().__init__(rate)
        self._name = name

    def get_cache_key(self, request: HttpRequest) -> str:
        """The entry of the cache."""
        del request
        return f"limit:{self._name}"

    def count(self, request: HttpRequest) -> None:
        """Count this request. Raises `TooMany`."""
        if not self.allow_request(request):
            raise TooMany(self.wait() or self.duration or 1)


def count_for(who: Caller | User, request: HttpRequest) -> None:
    """One more request of this caller or person. Raises `TooMany`."""
    Limit(settings.API_RATE, f"{who._meta.model_name}:{who.pk}").count(request)


def count_failure(request: HttpRequest) -> None:
    """One more request without good credentials from this address. Raises `TooMany`."""
    Limit(settings.API_FAILURE_RATE, f"address:{origin().client}").count(request)
