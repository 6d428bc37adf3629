"""Who guesses passwords too often: what django-axes counts, and the page that it answers with."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

log = logging.getLogger(__name__)


def person_tried(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """The e-mail address of a try, in the one spelling under which people are kept.

    django-axes asks with what was posted, or with the fields of its own that name the e-mail.
    """
    given = credentials or request.POST
    return str(given.get("username") or given.get("email") or "").strip().lower()


def address_of(request: HttpRequest) -> str:
    """Where the connection came from. Headers are not read: whoever guesses could vary them."""
    return request.META.get("REMOTE_ADDR") or "127.0.0.1"  # a Unix socket has no address


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: Mapping[str, Any] | None
) -> HttpResponse:
    """A 429 in place of the answer to one try too many, whether its password was right or not."""
    del response
    who = {"email": person_tried(request, credentials), "address": address_of(request)}
    log.warning("sign-in locked", extra=who)
    pause = settings.AXES_COOLOFF_TIME
    context = {"minutes": int(pause.total_seconds() // 60)}
    refusal = render(request, "registration/locked_out.html", context, status=429)
    refusal["Retry-After"] = str(int(pause.total_seconds()))
    return refusal
