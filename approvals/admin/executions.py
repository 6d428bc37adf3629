"""Executions as Google last described them, their workflows, and workers: to read, and to say
which waits are for this inbox."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.attending import Attending, AttentionFilter, asks_first
from approvals.admin.base import ReadOnlyAdmin
from approvals.admin.filters import SinceFilter
from approvals.models import Execution, Worker, Workflow
from approvals.reasons import Kind, execution_name


@admin.register(Execution)
class ExecutionAdmin(Attending):
    """What is known of executions. Those that wait for nobody here can be put aside."""

    noun = "execution"
    list_display = ("called", "state", "looked_at", "unregistered_since", "dismissed_at")
    list_filter = (AttentionFilter.of(Kind.ORPHANED), "state")
    search_fields = ("name",)
    actions = ("put_aside",)
    change_form_template = "admin/execution.html"

    @admin.display(description=gettext_lazy("execution"), ordering="name")
    def called(self, execution: Execution) -> str:
        return execution_name(execution)


class SilencedFilter(SinceFilter):
    """Workflows whose waits are listed, or are not for this inbox."""

    title = gettext_lazy("their waits")
    parameter_name = "silenced"
    column = "silenced_at"

    def lookups(self, *_args: object) -> list[tuple[str, str]]:
        return [("no", _("Listed")), ("yes", _("Not for this inbox"))]


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    """Which workflows are looked after, and of which no wait is for this inbox."""

    list_display = ("name", "listed_at", "trouble", "silenced_at")
    list_filter = (SilencedFilter,)
    search_fields = ("name",)
    actions = ("listen",)

    def has_listen_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("approvals.change_execution")

    @admin.action(description=gettext_lazy("List their waits again"), permissions=["listen"])
    def listen(self, request: HttpRequest, queryset: QuerySet[Workflow]) -> HttpResponse | None:
        """New waits come into the operators' queue again; the history keeps who said so."""
        says = _("Executions of these that wait elsewhere come into the operators' list again.")
        if page := asks_first(
            self, request, queryset, title=_("List their waits again"), says=says
        ):
            return page
        silenced = list(queryset.filter(silenced_at__isnull=False))
        Workflow.objects.filter(pk__in=[each.pk for each in silenced]).listen()
        for each in silenced:
            self.log_change(request, each, "Its waits are listed again.")
        listed = _("Listed again: %(number)s.") % {"number": len(silenced)}
        self.message_user(request, listed, messages.SUCCESS)
        return None


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Which workers run, as they say themselves, and what they leave alone for a moment."""

    list_display = ("name", "started_at", "seen_at", "stopped_at", "paused")
    search_fields = ("name",)
