"""Every page there is, with texts as long and unbreakable as a workflow may send: for what holds on
all of them. A route that is neither here nor among those without a page fails test_axe.py."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from approvals.models import (
    Approval,
    Attempt,
    Channel,
    Delivery,
    Event,
    Notice,
    PersonalToken,
    SavedView,
    StandIn,
    Started,
    User,
    Worker,
    Workflow,
)
from approvals.models.outbox import State
from tests.factories import make_approval, make_group, make_staff, make_type, make_user

LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3
FORM = {
    "type": "object",
    "title": LONG,
    "properties": {
        LONG[:60]: {"type": "string", "title": LONG, "description": LONG, "enum": [LONG, "b"]},
        "text": {"type": "string", "format": "textarea", "title": "Text"},
        "many": {"type": "string", "enum": [LONG, *"bcdef"]},
        "box": {"type": "boolean", "title": LONG},
        "score": {"type": "integer", "title": "Score", "maximum": 10},
    },
    "required": ["score"],
}

# What answers with no page of its own: files, bits for a page that is open, and what only saves.
NO_PAGES = {
    *(f"approvals:{name}" for name in ("receipt_file", "receipt_keys", "export_file", "news")),
    *(f"approvals:{name}" for name in ("insights_chart", "insights_file", "manifest", "worker")),
    *(f"approvals:{name}" for name in ("take_back", "end_absence", "telling", "revoke_token")),
    *(f"approvals:{name}" for name in ("change_view", "remove_view")),
    *("healthz", "readyz", "metrics", "logout", "api:openapi-json", "api:api-root"),
    *("admin:logout", "admin:jsi18n", "admin:autocomplete", "admin:view_on_site"),
}
# Made by django-ninja for whoever writes a workflow: its scripts, not pages of ours.
NOT_OURS = {"api:openapi-view"}


@dataclass
class World:
    """People and requests; `viewer` is an operator who was asked too, and so sees the most."""

    viewer: User
    open: Approval
    closed: Approval
    paths: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> dict[str, str]:
        """The addresses of the product itself, without the operators' lists."""
        return {name: path for name, path in self.paths.items() if not name.startswith("admin:")}


def routes(patterns: Any = None, space: str = "") -> Iterator[str]:
    """The names of all addresses, but for the API's calls."""
    for each in patterns or get_resolver().url_patterns:
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, f"{each.namespace}:" if each.namespace else space)
        elif isinstance(each, URLPattern) and each.name:
            yield f"{space}{each.name}"


def make_world() -> World:
    """Fill the database, so that every page has something to show."""
    viewer = make_staff()
    ana = make_user("ana@example.com", first="Ana", last="Almeida")
    make_user("eva@example.com", first="Eva", last="Lind")
    make_group("managers", viewer, ana)
    closed = _closed(viewer)
    world = World(viewer, _asked(), closed)
    _of_a_person(viewer, ana)
    _of_operators(world)
    world.paths = _paths(world, _more(viewer, closed)) | _admin_paths()
    world.answers = _templates() | _answers(world)
    return world


def _asked() -> Approval:
    return make_approval(
        title=LONG[:160],
        type=LONG[:100],
        fields={LONG[:100]: LONG, "Number": 12345678901234, "Amount": "1,240.00 EUR"},
        summary=f"| a | b |\n| - | - |\n| {LONG} | {LONG} |\n\n`{LONG}` **bold** [link](https://x.example)",
        links=[{"label": "Link", "url": f"https://{'x' * 60}.example/"}],
        form=FORM,
        requested_by=f"{'long' * 15}@{'sub.' * 12}example.com",
        priority="urgent",
        expires_in=3600,
    )


def _closed(by: User) -> Approval:
    closed = make_approval(title="Train to Porto", fields={"Amount": "180 EUR"})
    closed.decide("rejected", by=by, revision=1, comment=LONG)
    return closed


def _more(viewer: User, closed: Approval) -> dict[str, Approval]:
    """Requests of other kinds: asked again in stages, with many answers, answered and held."""
    again = make_approval(
        title="Once more",
        fields={LONG[:100]: LONG, "Other": "x"},
        supersedes=str(closed.pk),
        stages=[
            {"name": LONG[:60], "approvers": ["group:managers"], "votes_needed": 1},
            {"name": "Second", "approvers": [f"user:{viewer.email}"], "votes_needed": 1},
        ],
        approvers=[],
    )
    again.say(LONG, by=viewer)
    options = [
        {"value": f"answer_{n}", "label": f"Answer number {n}", "consequence": "What then"}
        for n in range(6)
    ]
    for _ in range(4):
        make_approval(title=LONG[:160], type="lunch", fields={"Amount": 20})
    found = {
        "again": again,
        "many": make_approval(title="Many answers", options=options),
        "plain": make_approval(title="Hotel", fields={"Amount": "1,240.00 EUR"}, comment="always"),
        "mine": make_approval(title="Asked by me", requested_by=viewer.email),
    }
    make_type("payment", "group:managers", undo=600)  # from now on no other type will do
    found["held"] = make_approval(title="Pay ACME", type="payment", approvers=[])
    found["held"].decide("approved", by=viewer, revision=1)
    return found


def _of_a_person(viewer: User, ana: User) -> None:
    now = timezone.now()
    times = {"starts_at": now, "ends_at": now + timedelta(days=1), "reason": LONG[:90]}
    StandIn.objects.create(user=viewer, colleague=ana, created_by="x", **times)
    StandIn.objects.create(user=ana, colleague=viewer, created_by="x", **times)
    PersonalToken.objects.issue(viewer, LONG[:90])
    Started.objects.create(user=viewer, workflow="pay", title=LONG, argument_sha256="0" * 64)
    SavedView.objects.create(owner=viewer, name=LONG[:60], query="tab=needs-me&q=hotel")


def _of_operators(world: World) -> None:
    """A row in each list, and something in each kind of trouble that a page shows."""
    delivery = world.closed.outgoing
    Attempt.objects.create(delivery=delivery, number=1, status=403, detail=LONG)
    Delivery.objects.filter(pk=delivery.pk).update(state=State.BLOCKED, reason=LONG)
    Channel.objects.create(name="chat", url="json://127.0.0.1/")
    Worker.objects.create(name="laptop/1")
    Workflow.objects.create(name="projects/p/locations/l/workflows/pay")
    event = Event.objects.all()[0]
    Notice.objects.create(
        approval=event.approval, event=event, matter="asked", address="x@example.com"
    )


def _paths(world: World, more: dict[str, Approval]) -> dict[str, str]:
    """Name of the route, and in which state where there are several -> the address."""
    of = lambda name, *args: reverse(f"approvals:{name}", args=args)  # noqa: E731 - short on purpose
    asked = world.open.approvers.get()
    started = Started.objects.get()
    found = {
        "approvals:inbox": "/",
        "approvals:inbox waiting": "/?tab=waiting",
        "approvals:inbox decided": "/?tab=decided",
        "approvals:inbox attention": "/?tab=attention",
        "approvals:inbox nothing found": "/?tab=needs-me&q=nowhere",
        "approvals:detail": of("detail", world.open.pk),
        "approvals:detail closed": of("detail", world.closed.pk),
        **{f"approvals:detail {name}": of("detail", each.pk) for name, each in more.items()},
        "approvals:receipt": of("receipt", world.closed.pk),
        "approvals:receipt held": of("receipt", more["held"].pk),
        "approvals:way": of("way", world.open.pk),
        "approvals:hand_over": of("hand_over", more["plain"].pk),
        "approvals:reassign": of("reassign", world.open.pk, asked.pk),
        "approvals:attend": of("attend", "approval", "withdraw", world.open.pk),
        "approvals:started": of("started", started.pk),
        "approvals:start": of("start", "pay"),
        "login": "/sign-in/?next=/admin/",
        "404": "/nowhere/",
    }
    alone = ("profile", "export", "start_list", "insights", "saved_views", "offline")
    return found | {f"approvals:{name}": of(name) for name in alone}


def _admin_paths() -> dict[str, str]:
    """The index, all lists, and of each list the page of a row and that of a new one."""
    found = {"admin:index": "/admin/", "admin:login": "/admin/login/"}
    found |= {"admin:app_list": reverse("admin:app_list", args=["approvals"])}
    found |= {
        name: reverse(name) for name in ("admin:password_change", "admin:password_change_done")
    }
    for model, options in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found[f"{name}_changelist"] = reverse(f"{name}_changelist")
        row: Model | None = model._default_manager.first()
        if row is not None:
            found[f"{name}_change"] = reverse(f"{name}_change", args=[row.pk])
        if type(options).has_add_permission is admin.ModelAdmin.has_add_permission:
            found[f"{name}_add"] = reverse(f"{name}_add")
    return found


def _templates() -> dict[str, str]:
    """Pages that are there for when something has gone wrong."""
    contexts: dict[str, dict[str, Any]] = {
        "400.html": {},
        "403.html": {},
        "403_csrf.html": {"posted": {"comment": LONG}},
        "500.html": {},
        "503.html": {"wrote": True, "again": [("comment", LONG)], "posted": {"comment": LONG}},
        "not_known.html": {"email": "who@example.com"},
        "registration/locked_out.html": {"minutes": 15},
    }
    return {name: render_to_string(name, context) for name, context in contexts.items()}


def _answers(world: World) -> dict[str, str]:
    """Pages that answer a form."""
    client = Client()
    client.force_login(world.viewer)
    rows = [f"{each.pk}:{each.revision}" for each in Approval.objects.filter(type="lunch")[:2]]
    together = {"row": rows, "outcome": "approved"}
    decide: Callable[[Approval], str] = lambda each: reverse("approvals:decide", args=[each.pk])  # noqa: E731
    sent: dict[str, tuple[Client, str, dict[str, Any]]] = {
        "approvals:bulk": (client, "/bulk/", together),
        "approvals:bulk_confirm": (client, "/bulk/confirm/", together),
        "approvals:decide refused": (client, decide(world.closed), {"outcome": "approved"}),
        "approvals:decide wrong": (
            client,
            decide(world.open),
            {"outcome": "approved", "revision": 1, "form_score": 99},
        ),
        "approvals:decide signed out": (Client(), decide(world.open), {"comment": LONG}),
        "approvals:say wrong": (client, reverse("approvals:say", args=[world.open.pk]), {}),
        "approvals:absence wrong": (client, "/profile/absences/", {"colleague": LONG}),
        "approvals:token": (client, "/profile/tokens/", {"label": "phone", "days": "30"}),
        "approvals:start wrong": (client, "/start/pay/", {"once": "x"}),
        "approvals:saved_views wrong": (client, "/views/", {"name": ""}),
        "login wrong": (Client(), "/sign-in/", {"username": "x@example.com", "password": "x"}),
        "admin:approvals_caller_issue_key": (
            client,
            reverse("admin:approvals_caller_issue_key", args=[world.open.caller_id]),
            {"label": "CI"},
        ),
    }
    return {name: page_of(name, *each) for name, each in sent.items()}


def page_of(name: str, client: Client, path: str, data: dict[str, Any]) -> str:
    """The page that answers this form; one that leads elsewhere was not wrong enough."""
    answer = client.post(path, data)
    assert answer.status_code not in {302, 303}, (name, answer["Location"])
    return answer.content.decode()
