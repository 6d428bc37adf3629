"""The operators' queue, and what they do about each thing in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from approvals.attending import DEEDS, NOUNS, Deed, deeds_for
from approvals.attention import Item, conditions, counts, item_of, page_of
from approvals.forms import WhyForm
from approvals.inbox import Tab, is_operator
from approvals.models import Approval, ApprovalError, User
from approvals.models.approver import Approver
from approvals.reasons import DO, SAYS, SINCE, Kind
from approvals.views.common import PersonRequest, see_other, signed_in


@dataclass(frozen=True, slots=True)
class Button:
    """One deed on the page: a form of its own where it is done at once, else a link."""

    label: str
    url: str
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the delivery of an approval, and what this person may do about it."""

    item: Item
    do: str
    buttons: Sequence[Button]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the queue, whom it asked, and what this person may do about it."""

    item: Item
    buttons: Sequence[Button]
    asked: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one kind, one after the other, with what is said of all of them."""

    kind: Kind
    says: str
    do: str
    since: str
    count: int
    entries: list[Entry]


def attention_tab(request: PersonRequest, tab: Tab, tabs: Iterable[Tab]) -> HttpResponse:
    """The tab of the inbox; `?kind=` shows one kind alone, `?after=MARK` goes on behind it."""
    kind = _kind(request)
    of_the_whole = conditions()
    numbers = counts(of_the_whole)
    total = sum(numbers.values())
    try:
        page = page_of(kind, request.GET.get("after", ""))
    except ValueError:
        raise Http404 from None
    context = {
        "tab": tab,
        "tabs": [(each, total if each is tab else each.count) for each in tabs],
        "kind": kind,
        "kinds": [(each, number) for each, number in numbers.items() if number],
        "total": total,
        "conditions": [(each, SINCE[each.kind], DO[each.kind]) for each in of_the_whole],
        "groups": _groups(page.items, numbers, request.user, kind),
        "page": page,
    }
    return render(request, "approvals/attention.html", context)


def _kind(request: HttpRequest) -> Kind | None:
    """The one kind that is asked for."""
    value = request.GET.get("kind", "")
    if value and value not in Kind.values:
        raise Http404
    return Kind(value) if value else None


def _groups(
    items: Sequence[Item], numbers: dict[Kind, int], user: User, only: Kind | None
) -> list[Group]:
    may = {kind: deeds_for(kind, user) for kind in {item.kind for item in items}}
    reassigns = user.has_perm("approvals.change_approval")
    asked = _asked(items)
    found: list[Group] = []
    for item in items:
        kind = item.kind
        if not found or found[-1].kind != kind:
            group = _group(kind, numbers[kind])
            found.append(group)
        buttons = [
            Button(str(deed.label), _url(deed, item.key, only), deed.at_once) for deed in may[kind]
        ]
        there = asked.get(item.key, [])
        if kind == Kind.NOBODY and reassigns:
            buttons.insert(0, Button(gettext("Ask somebody else"), _reassign(item.subject, there)))
        found[-1].entries.append(Entry(item, buttons, [row.label for row in there]))
    return found


def _group(kind: Kind, number: int) -> Group:
    return Group(kind, str(SAYS[kind]), str(DO[kind]), str(SINCE[kind]), number, [])


def _asked(items: Iterable[Item]) -> dict[str, list[Approver]]:
    """Who is asked now, of each approval that nobody can answer."""
    approvals = {item.key: item.subject for item in items if item.kind == Kind.NOBODY}
    rows = Approver.objects.current().filter(approval__in=approvals.values())
    found: dict[str, list[Approver]] = {key: [] for key in approvals}
    for row in rows.select_related("user", "group") if approvals else ():
        if row.stage == approvals[str(row.approval_id)].stage:
            found[str(row.approval_id)].append(row)
    return found


def _reassign(approval: Approval, asked: Sequence[Approver]) -> str:
    """In place of the one who is asked; of several, its page has a link for each."""
    if len(asked) != 1:
        return approval.get_absolute_url()
    return reverse("approvals:reassign", args=[approval.pk, asked[0].pk])


def _url(deed: Deed, key: str, only: Kind | None) -> str:
    url = reverse("approvals:attend", args=[deed.noun, deed.verb, key])
    return f"{url}?{urlencode({'kind': only})}" if only else url


def trouble_of(approval: Approval, user: User) -> Trouble | None:
    """The trouble of its delivery, for the page of an approval, to which its deeds come back."""
    item = item_of(approval)
    if item is None:
        return None
    buttons = [
        Button(str(deed.label), f"{_url(deed, item.key, None)}?to=approval", deed.at_once)
        for deed in deeds_for(item.kind, user)
    ]
    return Trouble(item, item.advice or str(DO[item.kind]), buttons)


def way_back(request: PersonRequest) -> str:
    """The operators' tab, as far as it was open, for who came from there; else empty."""
    if request.GET.get("tab") != "attention" or not is_operator(request.user):
        return ""
    kind = request.GET.get("kind", "")
    return _tab(Kind(kind) if kind in Kind.values else None)


def _tab(kind: Kind | None) -> str:
    return f"{reverse('approvals:inbox')}?{urlencode({'tab': 'attention', **_only(kind)})}"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def attend(request: PersonRequest, noun: str, verb: str, key: str) -> HttpResponse:
    """What a deed does, and why it is done (GET); done (POST)."""
    kind = _kind(request)
    deed = DEEDS.get((noun, verb))
    if deed is None or not is_operator(request.user):
        raise Http404
    subject = _find(noun, key, request.user)
    if not request.user.has_perm(deed.permission):
        raise PermissionDenied
    approval = subject if noun == "approval" else getattr(subject, "approval", None)
    back, back_to = _tab(kind), gettext("Needs attention")
    if approval and request.GET.get("to") == "approval":
        back, back_to = f"{approval.get_absolute_url()}?tab=attention", gettext("The approval")
    posted = request.method == "POST"
    form = WhyForm(request.POST if posted else None)
    if posted and (deed.at_once or form.is_valid()):
        _do(request, deed, subject, "" if deed.at_once else form.cleaned_data["reason"])
        return see_other(back)
    context = {
        "deed": deed,
        "approval": approval,
        "name": NOUNS[noun].name(subject),
        "wrong": NOUNS[noun].wrong(subject),
        "form": form,
        "back": back,
        "back_to": back_to,
    }
    return render(request, "approvals/attend.html", context, status=422 if posted else 200)


def _only(kind: Kind | None) -> dict[str, str]:
    return {"kind": str(kind)} if kind else {}


def _find(noun: str, key: str, user: User) -> Any:
    """The row that a deed is done to; 404 where there is none."""
    try:
        pk: UUID | str = NOUNS[noun].key(key)
    except ValueError:
        raise Http404 from None
    found = NOUNS[noun].rows(user).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _do(request: PersonRequest, deed: Deed, subject: Any, why: str) -> None:
    """Do it, and say what came of it; where somebody was faster, in words."""
    name = NOUNS[deed.noun].name(subject)
    try:
        done = deed.act(subject, request.user, why)
    except ApprovalError as error:
        messages.warning(request, f"{name}: {error}")
        return
    if done:
        messages.success(request, f"{name}: {deed.done}")
    else:
        messages.warning(request, f"{name}: {deed.late}")
