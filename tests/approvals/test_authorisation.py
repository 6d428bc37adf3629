"""Who may do what: every route, every role, own and foreign objects, as authorisation.txt says.

A route, a call or a list of the admin without a line there fails, and so does a line without one.
Every request is undone, so that no cell changes another.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals import catalog
from approvals.api import api
from approvals.attending import DEEDS
from approvals.catalog import Startable
from approvals.declaration import declared
from approvals.fields import PREFIX
from approvals.models import (
    ApiKey,
    Attempt,
    Channel,
    Event,
    Notice,
    PersonalToken,
    Preference,
    SavedView,
    StandIn,
    Started,
    User,
    Worker,
    Workflow,
)
from tests.approvals.test_page_start import CLOSED, PAY
from tests.browser.every_page import routes
from tests.factories import (
    make_approval,
    make_caller,
    make_group,
    make_request,
    make_type,
    make_user,
)

# The columns of the tables, which authorisation.txt explains.
PEOPLE = ("anonymous", "employee", "approver", "requester", "auditor", "operator", "superuser")
PROGRAMS = (
    *("anonymous", "guessed", "caller", "stranger", "inactive"),
    *("approver", "employee", "session", "csrf"),
)
FILE = Path(__file__).with_name("authorisation.txt")


def table(name: str) -> list[str]:
    """The lines of one table of the file."""
    text = FILE.read_text(encoding="utf-8").partition(f"== {name}\n")[2].partition("\n==")[0]
    return [line for line in text.splitlines() if line and not line.startswith("#")]


class World:
    """Two of everything: the first concerns the people of the tables, the second others."""

    def __init__(self) -> None:
        self.people = {name: make_user(f"{name}@example.com") for name in PEOPLE[1:]}
        other, asking = make_user("other@example.com"), make_user("asking@example.com")
        self._give_rights()
        approver = self.people["approver"]
        make_group("managers", approver, make_user("second@example.com"))
        for name in ("others", "payers"):
            make_group(name, other)
        caller, stranger = make_caller("ours@example.com"), make_caller("theirs@example.com")
        theirs: dict[str, Any] = {
            "requested_by": "asking@example.com",
            "approvers": ["group:others"],
        }
        self.approvals = (
            make_approval(caller=caller, requested_by="requester@example.com"),
            make_approval(caller=stranger, **theirs),
        )
        self.asked = [approval.approvers.get() for approval in self.approvals]
        self.absences = [_absence(*pair) for pair in ((approver, other), (other, asking))]
        issued = [PersonalToken.objects.issue(user, "laptop") for user in (approver, other)]
        self.tokens = [token for token, _ in issued]
        self.starts = [_started(user) for user in (approver, other)]
        self.views = [
            SavedView.objects.create(owner=user, name="Kept", query="sort=due")
            for user in (approver, other)
        ]
        self.bearers = {
            "guessed": "csk_guessed",
            "caller": ApiKey.objects.issue(caller)[1],
            "stranger": ApiKey.objects.issue(make_caller("third@example.com"))[1],
            "inactive": ApiKey.objects.issue(make_caller("off@example.com", is_active=False))[1],
            "approver": issued[0][1],
            "employee": PersonalToken.objects.issue(self.people["employee"], "laptop")[1],
        }

    def _give_rights(self) -> None:
        read, change = (
            Permission.objects.get(codename=name, content_type__app_label="approvals")
            for name in ("view_approval", "change_approval")
        )
        self.people["auditor"].user_permissions.add(read)
        self.people["operator"].user_permissions.add(read, change)
        for name in ("operator", "superuser"):
            self.people[name].is_staff = True
            self.people[name].is_superuser = name == "superuser"
            self.people[name].save()

    def browser(self, name: str, *, csrf: bool = False) -> Client:
        """A browser in which this person has signed in."""
        client = Client(enforce_csrf_checks=csrf)
        if name != "anonymous":
            client.force_login(self.people[name])
        return client

    def fill(self) -> None:
        """One of everything else that the admin lists."""
        approval = make_approval()
        approval.decide("approved", by=self.people["approver"], revision=1)
        Attempt.objects.create(delivery=approval.outgoing, number=1)
        make_type("payment", "group:managers")
        Channel.objects.create(name="chat", url="json://127.0.0.1/")
        Worker.objects.create(name="laptop/1")
        Preference.objects.create(user=self.people["approver"])
        SavedView.objects.create(owner=self.people["approver"], name="Mine", query="sort=due")
        Workflow.objects.create(name="projects/p/locations/l/workflows/pay")
        event = Event.objects.first()
        assert event is not None
        Notice.objects.create(
            approval=event.approval, event=event, matter="asked", address="x@example.com"
        )


def _absence(user: User, colleague: User) -> StandIn:
    now = timezone.now()
    times = {"starts_at": now, "ends_at": now + timedelta(days=1)}
    return StandIn.objects.create(user=user, colleague=colleague, created_by="x", **times)


def _started(user: User) -> Started:
    return Started.objects.create(user=user, workflow="pay", title="Pay", argument_sha256="0" * 64)


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> World:
    """Requests are not counted; two workflows may be started, the second by a group of others."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    startable = [Startable("pay", declared(PAY)), Startable("closed", declared(CLOSED))]
    settings.GOOGLE_CLOUD_PROJECT = "p"
    monkeypatch.setattr(catalog, "_asked", lambda parent: startable)
    monkeypatch.setattr("approvals.starting._ask", lambda *_: "projects/p/executions/e")
    return World()


# --- what is asked for --------------------------------------------------------------------------


def _rows(world: World, n: int) -> dict[str, Any]:
    return {"row": [f"{world.approvals[n].pk}:1"], "outcome": "approved"}


OF_AN_APPROVAL = (
    "detail",
    "way",
    "decide",
    "take_back",
    "receipt",
    "receipt_file",
    "say",
    "hand_over",
)
# Route -> the arguments of its address, for the n-th object.
ARGUMENTS: dict[str, Callable[[World, int], list[Any]]] = {
    **{f"approvals:{name}": lambda world, n: [world.approvals[n].pk] for name in OF_AN_APPROVAL},
    "approvals:reassign": lambda world, n: [world.approvals[n].pk, world.asked[n].pk],
    "approvals:started": lambda world, n: [world.starts[n].pk],
    "approvals:start": lambda world, n: [("pay", "closed")[n]],
    "approvals:attend": lambda world, n: ["approval", "withdraw", world.approvals[n].pk],
    "approvals:end_absence": lambda world, n: [world.absences[n].pk],
    "approvals:revoke_token": lambda world, n: [world.tokens[n].pk],
    "approvals:change_view": lambda world, n: [world.views[n].pk],
    "approvals:remove_view": lambda world, n: [world.views[n].pk],
    "approvals:export_file": lambda world, n: ["csv"],
    "approvals:insights_chart": lambda world, n: ["outcomes"],
    "approvals:insights_file": lambda world, n: ["outcomes"],
    "admin:approvals_caller_issue_key": lambda world, n: [world.approvals[n].caller_id],
    "admin:auth_user_password_change": lambda world, n: [world.people["employee"].pk],
    "admin:view_on_site": lambda world, n: [1, 1],
    "admin:app_list": lambda world, n: ["approvals"],
}
GIVEN = {"to": "second@example.com", "reason": "Away"}
# Route -> what its form sends.
FORMS: dict[str, Callable[[World, int], dict[str, Any]]] = {
    "approvals:decide": lambda world, n: {"outcome": "approved", "revision": 1},
    "approvals:bulk": _rows,
    "approvals:bulk_confirm": _rows,
    "approvals:say": lambda world, n: {"text": "Why?"},
    "approvals:hand_over": lambda world, n: GIVEN,
    "approvals:reassign": lambda world, n: GIVEN,
    "approvals:attend": lambda world, n: {"reason": "Not needed"},
    "approvals:start": lambda world, n: {"once": str(uuid4()), f"{PREFIX}amount": "3"},
    "approvals:absence": lambda world, n: {
        "first": "2999-01-01",
        "last": "2999-01-02",
        "colleague": "second@example.com",
    },
    "approvals:saved_views": lambda world, n: {"name": "Renamed", "query": "sort=oldest"},
    "approvals:change_view": lambda world, n: {"name": "Renamed"},
    "approvals:token": lambda world, n: {"label": "phone", "days": "30"},
    "approvals:telling": lambda world, n: {"pace": "daily", "hour": "8", "time_zone": "UTC"},
    "admin:approvals_caller_issue_key": lambda world, n: {"label": "x"},
}


OF_ALL = {"approvals:export_file", "approvals:insights_chart", "approvals:insights_file"}
OF_OBJECTS = {
    name
    for name in (*ARGUMENTS, "approvals:bulk", "approvals:bulk_confirm")
    if name not in OF_ALL and not name.startswith("admin:")
}
# Call -> the body it takes, good in itself.
BODIES: dict[str, dict[str, Any]] = {
    "vote": {"outcome": "approved", "revision": 1},
    "settle": {"reason": "timeout"},
    "withdraw": {"reason": "Not needed"},
    "outcome": {"status": "succeeded", "message": ""},
}


def stored() -> list[Any]:
    """What the requests of these tables may change, counted."""
    counted: list[Any] = [Event, PersonalToken, ApiKey, StandIn, Started, Preference, SavedView]
    ended = [
        PersonalToken.objects.filter(revoked_at__isnull=False),
        StandIn.objects.filter(ended_at__isnull=False),
        SavedView.objects.filter(name="Renamed"),
    ]
    return [*(model.objects.count() for model in counted), *(rows.count() for rows in ended)]


def observed(ask: Callable[[], Any]) -> str:
    """The cell of one request, which is undone."""
    with transaction.atomic():
        before = stored()
        response = ask()
        changed = "!" if stored() != before else ""
        transaction.set_rollback(True)
    signs_in = response.status_code in {302, 303} and re.match(
        r"/(sign-in|admin/login)/", response["Location"]
    )
    return "in" if signs_in else f"{response.status_code}{changed}"


def line(route: str, cells: Iterator[tuple[str, ...]]) -> str:
    """The line of a table; each cell is that of the own and of the foreign object."""
    words = ["/".join(dict.fromkeys(cell)) for cell in cells]
    return f"{route:43}" + " ".join(f"{word:9}" for word in words).rstrip()


# --- the routes there are -----------------------------------------------------------------------


OF_A_LIST = {
    f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}"
    for model in admin.site._registry
    for what in ("changelist", "add", "history", "delete", "change")
}
OPERATIONS = {
    f"{method.upper()} {path.removeprefix('/api/v1')}"
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method in methods
}
OF_THE_DOCUMENT = {"api:openapi-json", "api:openapi-view", "api:api-root"}
NAMES = sorted(
    name
    for name in set(routes())
    if name not in OF_A_LIST and (not name.startswith("api:") or name in OF_THE_DOCUMENT)
)


class TestPages:
    @pytest.mark.timeout(600)
    def test_the_table_is_what_is_observed(self, world):
        seen = [
            line(f"{method} {name}", self.cells(world, method, name))
            for name in NAMES
            for method in ("GET", "POST")
        ]

        assert seen == table("pages")

    def cells(self, world, method, name):
        for person in PEOPLE:
            yield tuple(
                observed(partial(self.ask, world, person, method, name, n))
                for n in ((0, 1) if name in OF_OBJECTS else (0,))
            )

    def ask(self, world, person, method, name, n):
        url = reverse(name, args=ARGUMENTS.get(name, lambda *_: [])(world, n))
        form = FORMS.get(name, lambda *_: {})(world, n)
        browser = world.browser(person)
        return browser.post(url, form) if method == "POST" else browser.get(url)

    def test_other_methods_do_nothing(self, world):
        for name in NAMES:
            url = reverse(name, args=ARGUMENTS.get(name, lambda *_: [])(world, 0))
            for method in ("put", "patch", "delete"):
                seen = observed(partial(getattr(world.browser("superuser"), method), url))
                assert not seen.endswith("!"), (method, name, seen)


class TestDeeds:
    """What operators do about trouble: all of it has one address, whose line has one deed."""

    def test_each_is_for_operators_with_its_permission_alone(self, world):
        for (noun, verb), deed in DEEDS.items():
            url = reverse("approvals:attend", args=[noun, verb, world.approvals[0].pk])
            for person in ("employee", "approver", "requester", "auditor"):
                assert world.browser(person).post(url).status_code == 404, (noun, verb, person)
            operator = world.people["operator"]
            if noun == "approval" and not operator.has_perm(deed.permission):
                assert world.browser("operator").post(url).status_code == 403, verb


class TestCalls:
    def test_the_table_is_what_is_observed(self, world):
        seen = [line(call, self.cells(world, call)) for call in sorted(OPERATIONS)]

        assert seen == table("calls")

    def cells(self, world, call):
        for program in PROGRAMS:
            yield tuple(
                observed(partial(self.ask, world, program, call, n))
                for n in ((0, 1) if "{" in call else (0,))
            )

    def ask(self, world, program, call, n):
        method, _, path = call.partition(" ")
        url = f"/api/v1{path}".replace("{approval_id}", str(world.approvals[n].pk))
        headers = {}
        client = Client(enforce_csrf_checks=True)
        if program in {"session", "csrf"}:
            client = world.browser("approver", csrf=True)
        if program == "csrf":
            headers = {"X-CSRFToken": str(client.get("/profile/").context["csrf_token"])}
        if program in world.bearers:
            headers = {"Authorization": f"Bearer {world.bearers[program]}"}
        body = BODIES.get(path.rpartition("/")[2]) or make_request()
        given = {"data": body, "content_type": "application/json"} if method == "POST" else {}
        return getattr(client, method.lower())(url, headers=headers, **given)


class TestAdmin:
    def test_the_table_is_what_is_observed(self, world):
        world.fill()
        registered = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
        seen = [
            line(model._meta.model_name, ((cell,) for cell in self.cells(world, model)))
            for model in registered
        ]

        assert seen == table("admin")

    def cells(self, world, model):
        for person in PEOPLE:
            yield self.letters(world.browser(person), model) or "-"

    def letters(self, browser, model):
        place = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.first()
        assert row is not None, model
        asked = {"l": ("changelist", []), "v": ("change", [row.pk]), "a": ("add", [])}
        asked["d"] = ("delete", [row.pk])
        found = {
            letter: browser.get(reverse(f"{place}_{name}", args=args))
            for letter, (name, args) in asked.items()
        }
        may = {letter for letter, response in found.items() if response.status_code == 200}
        if "v" in may and b'name="_save"' in found["v"].content:
            may.add("c")
        return "".join(letter for letter in "lvacd" if letter in may)
