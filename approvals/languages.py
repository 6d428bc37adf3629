"""In which language and at which clock a page is written: the person's own, else the browser's."""

from collections.abc import Callable
from contextlib import ExitStack

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

from approvals.models import Preference, User

Handler = Callable[[HttpRequest], HttpResponse]
# What programs read, and what has no words: the same for everybody, whatever they ask for.
NEUTRAL = ("/api/", "/healthz", "/readyz", "/metrics", "/static/")


class LanguageMiddleware:
    """Writes pages in the language that the browser asks for, from those that there are.

    It asks no database, so that the page about the database's trouble has its language too.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(NEUTRAL):
            return self.get_response(request)
        language = asked_for(request)
        with translation.override(language):
            response = self.get_response(request)
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", language)
        return response


class PersonMiddleware:
    """For somebody who has chosen: their language, and the clock of their time zone.

    Behind the check of forms, which asks no database; so a form that is refused, and an address
    that leads nowhere, are answered in the language of the browser.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(NEUTRAL):
            return self.get_response(request)
        with ExitStack() as chosen:
            request.META[_CHOSEN] = chosen
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "en")
        return response

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Go over to what the person has chosen, until the answer is there."""
        chosen: ExitStack | None = request.META.get(_CHOSEN)
        mine = preference_of(request.user) if chosen is not None else None
        if chosen is None or mine is None:
            return
        if mine.language in CODES:
            chosen.enter_context(translation.override(mine.language))
        if mine.time_zone:
            chosen.enter_context(timezone.override(mine.zone))


_CHOSEN = "countersign.chosen"  # in `request.META`, which is the request's own
CODES = frozenset(code for code, _ in settings.LANGUAGES)


def asked_for(request: HttpRequest) -> str:
    """The language that the browser would like best, of ours; else that of this inbox."""
    for wanted, _ in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        try:
            return translation.get_supported_language_variant(wanted)
        except LookupError:
            continue
    return str(settings.DEFAULT_LANGUAGE)


def preference_of(user: object) -> Preference | None:
    """What this person has chosen; None for nobody, and for who has chosen nothing."""
    chosen: Preference | None = getattr(user, "preference", None)
    return chosen


def language_of(user: User | None) -> str:
    """In which language somebody is written to: their own, else that of this inbox."""
    chosen = preference_of(user)
    own = chosen.language if chosen else ""
    return own if own in CODES else str(settings.DEFAULT_LANGUAGE)
