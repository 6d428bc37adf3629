"""The inbox: one tab of it, what is looked for there, and what is new meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from approvals.bulk import answers_alone, answers_together, kinds_in, selectable
from approvals.inbox import Listing, Page, Tab, number, page_of, tabs_of
from approvals.looking import Chip, Look
from approvals.models import Approval, SavedView, Vote
from approvals.news import moment, news_of, pack, unpack
from approvals.people import names_of
from approvals.rows import rows_of
from approvals.views.attention import attention_tab
from approvals.views.common import PersonRequest, find, signed_in, uuid_of


@dataclass(frozen=True, slots=True)
class Way:
    """A thing that is looked for in vain, and how many fit without it."""

    chip: Chip
    number: int


@require_safe
@signed_in
def inbox(request: PersonRequest) -> HttpResponse:
    """One tab of the inbox, narrowed to what its address looks for; `?after=ID` goes on behind.

    Without any parameters it opens with the person's default view, if they have one.
    """
    tabs = tabs_of(request.user)
    saved = list(SavedView.objects.of(request.user).select_related("owner", "group"))
    params = _opened(request, saved)
    tab = _tab_of(tabs, params)
    if not isinstance(tab, Listing):
        return attention_tab(request, tab, tabs)
    look = Look(params, tab, request.user)
    after = params.get("after")
    page = page_of(
        tab,
        rows=look.rows,
        order=look.order,
        after=find(request, uuid_of(after)) if after else None,
    )
    context = {
        "tab": tab,
        "tabs": [(each, each.count) for each in tabs],
        "look": look,
        "page": page,
        "rows": rows_of(page.rows, request.user, tab.key),
        "names": names_of(row.requested_by for row in page.rows),
        "saved": saved,
        "opened": next((view for view in saved if view.query == look.query), None),
        "after": after,
        "groups": request.user.groups.order_by("name") if look.is_changed else (),
        "since": int(timezone.now().timestamp()),
        "shown": pack(row.pk for row in page.rows),
        **_together(request, tab, page, params),
        **(_emptiness(request, look) if not page.rows else {}),
    }
    return render(request, "approvals/inbox.html", context)


@require_safe
@signed_in
def news(request: PersonRequest) -> HttpResponse:
    """What has happened to a list since its page was made, as pieces to put into that page."""
    tabs = tabs_of(request.user)
    tab = _tab_of(tabs, request.GET)
    if not isinstance(tab, Listing):
        raise Http404
    look = Look(request.GET, tab, request.user)
    try:
        since, shown = moment(request.GET["since"]), unpack(request.GET.get("shown", ""))
    except (KeyError, ValueError, OverflowError, OSError):
        raise Http404 from None
    found = news_of(look, request.user, since=since, shown=shown, more="more" in request.GET)
    fit = request.GET.getlist("fit")
    changed = [row.approval for row in found.changed if row.approval.type in fit and not row.gone]
    context = {
        "tab": tab,
        "tabs": [(each, each.count) for each in tabs],
        "look": look,
        "news": found,
        "pickable": {row.pk for row in _decidable(request, tab, changed)},
        "names": names_of(row.approval.requested_by for row in found.changed),
    }
    return render(request, "approvals/_news.html", context)


def _opened(request: PersonRequest, saved: Sequence[SavedView]) -> Mapping[str, Any]:
    """The parameters of the address, or of the person's default view where there are none."""
    mine = next((view for view in saved if view.is_default and view.owner == request.user), None)
    return QueryDict(mine.query) if mine and not request.GET else request.GET


def _tab_of(tabs: Sequence[Tab], params: Mapping[str, Any]) -> Tab:
    key = params.get("tab", tabs[0].key)
    found = next((tab for tab in tabs if tab.key == key), None)
    if found is None:
        raise Http404
    return found


def _decidable(request: PersonRequest, tab: Tab, rows: Sequence[Approval]) -> list[Approval]:
    """Those that can be answered together with others, as far as each by itself says."""
    if tab.key != "needs-me":
        return []
    mine = request.user.mailbox
    return [row for row in rows if row.requester_mailbox != mine and answers_together([row])]


def _together(
    request: PersonRequest, tab: Tab, page: Page, params: Mapping[str, Any]
) -> dict[str, Any]:
    """What is needed to answer several at once; `?pick=TYPE` has all of one type selected."""
    together = selectable(_decidable(request, tab, page.rows))
    pick = str(params.get("pick", ""))
    return {
        "pickable": {row.pk for row in together},
        "picked": {row.pk for row in together if row.type == pick},
        "kinds": kinds_in(together),
        "answers": answers_together(together),
        "alone": answers_alone(together),
    }


def _emptiness(request: PersonRequest, look: Look) -> dict[str, Any]:
    """What helps where nothing is: what to leave out, or what was last."""
    if look:
        ways = [Way(chip, number(look.rows_without(chip.name))) for chip in look.chips]
        return {"ways": [way for way in ways if way.number]}
    last = Vote.objects.standing().filter(user=request.user).select_related("approval")
    return {"last": last.order_by("-at").first()}
