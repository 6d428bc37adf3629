"""The operators' site: its lists in the order in which they are needed, each with what it is for.

Outside of `approvals.admin`, which registers its pages here while it is imported.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# Section -> list (the class of its rows) -> what one does there.
SECTIONS: "tuple[tuple[_StrPromise, dict[str, _StrPromise]], ...]" = (
    (
        _("Requests"),
        {
            "Approval": _("What was asked. Ask somebody else, withdraw, export."),
            "Delivery": _("Answers on their way to workflows. Deliver again, put aside."),
            "Policy": _("Who decides what, with how many votes, until when."),
        },
    ),
    (
        _("People"),
        {
            "User": _("Who may sign in, and what waits for each."),
            "Group": _("Who is asked together."),
            "StandIn": _("Who decides for whom while they are away."),
            "Preference": _("How each person wants to be told."),
            "SavedView": _("Searches that people keep in their inbox."),
            "PersonalToken": _("Tokens of people's own programs. Revoke one that got out."),
        },
    ),
    (
        _("Telling"),
        {
            "Channel": _("Chat rooms, and what each is told about."),
            "Notice": _("Who was told what. Tell again, put aside."),
        },
    ),
    (
        _("Workflows"),
        {
            "Caller": _("Programs that may ask, and their keys."),
            "ApiKey": _("All keys of callers. Revoke one that got out."),
            "Execution": _("Runs of workflows that wait here, as Google last described them."),
            "Workflow": _("Which workflows are looked after."),
            "Worker": _("Which workers run: they deliver, close, remind and tell."),
        },
    ),
    (
        _("The record"),
        {
            "Event": _("What happened, a line each; never changed."),
            "Vote": _("Who answered what."),
            "Attempt": _("Each try to send an answer."),
            "PolicyVersion": _("What each type said at which time."),
        },
    ),
)


ABOUT = {key: about for _name, lists in SECTIONS for key, about in lists.items()}


class OperatorsSite(admin.AdminSite):
    """Django's admin with our order, our words, and what needs attention first."""

    site_header = site_title = "Countersign"
    index_title = _("Admin")
    # The index is one click away, and tables need the width.
    enable_nav_sidebar = False

    def sections(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The lists that this operator may open, by section; empty sections are left out."""
        apps = super().get_app_list(request)
        lists = {each["object_name"]: each for app in apps for each in app["models"]}
        found = [
            (
                name,
                [lists[key] | {"about": about} for key, about in about_of.items() if key in lists],
            )
            for name, about_of in SECTIONS
        ]
        return [{"name": name, "lists": lists} for name, lists in found if lists]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """What needs attention, then the lists."""
        from approvals.attention import counts  # noqa: PLC0415 - the site is made before models
        from approvals.inbox import is_operator  # noqa: PLC0415 - as above
        from approvals.models import User  # noqa: PLC0415 - as above

        context: dict[str, Any] = {"sections": self.sections(request)}
        if isinstance(request.user, User) and is_operator(request.user):
            kinds = [(kind, number) for kind, number in counts().items() if number]
            context["attention"] = {"kinds": kinds, "total": sum(number for _kind, number in kinds)}
        return super().index(request, context | (extra_context or {}))

    def app_index(  # type: ignore[override]  # the stubs know of no redirect
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is one index: which application a list is of is nobody's question."""
        del request, app_label, extra_context
        return redirect("admin:index")
