"""What a device needs to keep Countersign like an app: its manifest, and a page for when it is
offline. Nothing here is about a person."""

import re
from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from approvals.fields import NOT_TYPED, PASSWORDS
from approvals.trouble import UNANSWERED, paths_of_repeatable, unanswered

HOUR = 3600


@require_safe
@cache_control(max_age=HOUR)
def manifest(_request: HttpRequest) -> JsonResponse:
    """How it is called, looks and starts where it is installed."""
    home = reverse("approvals:inbox")
    found = {
        "id": home,
        "name": "Countersign",
        "short_name": "Countersign",
        "description": gettext("Decide what your workflows ask."),
        "lang": get_language(),
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "theme_color": "#ffffff",  # --surface in tokens.css, as the bar; dark: see base.html
        "background_color": "#f4f5f8",  # --page
        "icons": [
            {"src": static(f"img/{name}"), "sizes": sizes, "type": kind, "purpose": purpose}
            for name, sizes, kind, purpose in ICONS
        ],
    }
    return JsonResponse(found, content_type="application/manifest+json")


ICONS = (
    ("icon.svg", "any", "image/svg+xml", "any"),
    ("icon-192.png", "192x192", "image/png", "any"),
    ("icon-512.png", "512x512", "image/png", "any"),
    ("icon-maskable-512.png", "512x512", "image/png", "maskable"),
)


@require_safe
@cache_control(no_cache=True)
def worker(_request: HttpRequest) -> HttpResponse:
    """The service worker, from the root, so that it has all pages in its scope.

    It keeps the page for offline, those for a form that nobody answered, and what they load. Names
    of files hold digests of what is in them, so another version of any makes another worker, which
    the browser takes in place.
    """
    page = render_to_string("approvals/offline.html")
    others = [render_to_string("503.html", unanswered(kind)) for kind in UNANSWERED]
    files = sorted(
        set(re.findall(rf'(?:href|src)="({re.escape(settings.STATIC_URL)}[^"]+)"', page))
    )
    text = render_to_string(
        "sw.js",
        {
            "files": files,
            "offline": reverse("approvals:offline"),
            "repeatable": paths_of_repeatable(),
            "comment": gettext("Comment"),
            "not_typed": NOT_TYPED,
            "passwords": PASSWORDS,
            "version": sha256("\n".join((page, *others, *files)).encode()).hexdigest()[:12],
        },
    )
    return HttpResponse(text, content_type="text/javascript; charset=utf-8")


@require_safe
@cache_control(no_cache=True)
def offline(request: HttpRequest) -> HttpResponse:
    """The page that stands in for those that cannot be reached, or for a form's answer."""
    kind = request.GET.get("unanswered")
    if kind in UNANSWERED:
        return render(request, "503.html", unanswered(kind))
    return render(request, "approvals/offline.html")
