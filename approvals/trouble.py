"""Trouble with the database: a 503 that promises nothing and keeps what was typed."""

import logging
import re
import sqlite3
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.signals import got_request_exception
from django.db import (
    DataError,
    InterfaceError,
    InternalError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.http import escape_leading_slashes

from approvals.fields import PASSWORDS

log = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], HttpResponse]

TROUBLE = (OperationalError, InterfaceError, InternalError)
"""Away, locked, full; connection broken; read-only after a failover."""
REPEATABLE = frozenset(
    f"approvals:{name}" for name in ("bulk", "bulk_confirm", "decide", "say", "take_back")
)
"""Forms that may be sent any number of times, with the same effect and the same page as once."""
UNANSWERED = ("again", "repeatable", "gone")
"""The pages that the service worker keeps: sent again, or as often as one likes, or not kept."""
READ_ONLY = "25006"  # PostgreSQL's code
RETRY_AFTER = 5  # seconds
_SEEN = "countersign.trouble"  # in `request.META`, which is the request's own


class DatabaseTroubleMiddleware:
    """Trouble on our side is a 503, which workflows' retry policies try again, never a 500.

    Outside of everything that may ask the database. What a view raises comes to
    `process_exception`; of what another middleware raises Django makes a 500 on the spot, and
    tells by a signal alone.

    Where the connection broke under way, a request that may be repeated is answered once more on
    a new one: so is known what became of a commit whose answer was lost.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _lost_the_connection(request.META.get(_SEEN)) and may_be_repeated(request):
            del request.META[_SEEN]
            request.resolver_match = None
            close_old_connections()
            response = self.get_response(request)
        if error := request.META.pop(_SEEN, None):
            log.error(
                "database unavailable",
                extra={"path": request.path, "kind": type(error).__name__, "why": str(error)[:300]},
            )
            let_go(error)
            return unavailable(request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, TROUBLE):
            request.META[_SEEN] = exception
            return HttpResponse(status=503)  # `__call__` makes the real one
        if isinstance(exception, DataError):
            # Text that PostgreSQL cannot keep, NUL above all, in a place nothing else looks at.
            return HttpResponseBadRequest("This text cannot be kept.", content_type="text/plain")
        return None


@receiver(got_request_exception, dispatch_uid="database trouble")
def _note(request: HttpRequest | None = None, **_: Any) -> None:
    error = sys.exception()
    if request is not None and isinstance(error, TROUBLE):
        request.META[_SEEN] = error


def _lost_the_connection(error: Exception | None) -> bool:
    """Whether it broke, unlike where the database is locked, full or slow.

    PostgreSQL's codes for that begin with 08 (connection) and 57P (shutdown); what its client
    notices by itself has none. SQLite has no connection to lose.
    """
    code = getattr(error.__cause__, "sqlstate", "") if error else ""
    return code is None or code.startswith(("08", "57P"))


def let_go(error: BaseException) -> None:
    """Close the connection where it takes no writes: another may, this one will not by itself.

    SQLite goes on reading from a file that it could not open for writing, and PostgreSQL from a
    server that is a replica since a failover. In other trouble the connection stays: on a disk that
    is full, SQLite cannot open another.
    """
    code = getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF
    state = getattr(error.__cause__, "sqlstate", "")
    read_only = code == sqlite3.SQLITE_READONLY or state == READ_ONLY
    if read_only and not connection.in_atomic_block:
        connection.close()


def may_be_repeated(request: HttpRequest) -> bool:
    """Whether doing it twice is as doing it once: reading, all of the API, answering."""
    view = request.resolver_match
    return (
        view is None  # it did not get as far as a view
        or request.method in {"GET", "HEAD", "OPTIONS"}
        or _is_api(request)
        or view.view_name in REPEATABLE
    )


def unavailable(request: HttpRequest) -> HttpResponse:
    """A 503 that promises nothing: an error at the very end may come after the writing.

    A page has what was sent, in a form that sends it again: with the token it came with, so that
    nobody else's form becomes ours. It needs no database. Passwords and files are not given back.
    """
    response: HttpResponse
    if _is_api(request):
        sentence = (
            "Something is wrong on our side just now, and we cannot tell whether this was saved."
            " Please try again with the same request: nothing is done twice."
        )
        response = JsonResponse({"detail": sentence}, status=503)
    else:
        response = render(request, "503.html", _page(request), status=503)
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def _page(request: HttpRequest) -> dict[str, Any]:
    posted = request.POST
    kept = not request.FILES and not any(re.search(PASSWORDS, name) for name in posted)
    return {
        # One that begins with two slashes would lead to another host.
        "address": escape_leading_slashes(request.get_full_path()),
        "posted": posted,
        "again": [(n, v) for n, vs in posted.lists() for v in vs] if kept else [],
        "repeatable": may_be_repeated(request),
        "wrote": request.method == "POST",
    }


def unanswered(kind: str) -> dict[str, Any]:
    """The page of what was sent, with places for it: the service worker fills them (sw.js)."""
    kept = kind != "gone"
    return {
        "address": "%address%",
        "posted": {"%label%": "%value%"} if kept else {},
        "again": [("%name%", "%value%")] if kept else [],
        "repeatable": kind == "repeatable",
        "wrote": True,
    }


def paths_of_repeatable() -> str:
    """The paths of the forms that may be sent any number of times, as a regular expression."""
    some = UUID(int=0)
    found = []
    for name in sorted(REPEATABLE):
        try:
            found.append(reverse(name))
        except NoReverseMatch:
            found.append(reverse(name, args=[some]).replace(str(some), "[^/]+"))
    return "|".join(found)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
