"""Executions as Google last described them, and workers: to read, and to put a wait aside."""

from django.contrib import admin

from approvals.admin.attending import Attending, AttentionFilter
from approvals.admin.base import ReadOnlyAdmin
from approvals.models import Execution, Worker
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

    @admin.display(description="execution", ordering="name")
    def called(self, execution: Execution) -> str:
        return execution_name(execution)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Which workers run, as they say themselves, and what they leave alone for a moment."""

    list_display = ("name", "started_at", "seen_at", "stopped_at", "paused")
    search_fields = ("name",)
