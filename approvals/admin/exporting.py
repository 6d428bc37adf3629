"""Exports from the list of approvals: those that are selected, or all that its filters leave."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext_lazy

from approvals.export import download
from approvals.models import Approval
from approvals.models.querysets import ApprovalQuerySet


class Exporting:
    """Two actions for whoever may read approvals."""

    @admin.action(description=gettext_lazy("Export as a table (CSV)"), permissions=["view"])
    def export_csv(
        self, request: HttpRequest, queryset: QuerySet[Approval]
    ) -> StreamingHttpResponse:
        del request
        return download(_plainly(queryset), "csv")

    @admin.action(
        description=gettext_lazy("Export with votes and record (JSON)"), permissions=["view"]
    )
    def export_json(
        self, request: HttpRequest, queryset: QuerySet[Approval]
    ) -> StreamingHttpResponse:
        del request
        return download(_plainly(queryset), "json")


def _plainly(queryset: QuerySet[Approval]) -> ApprovalQuerySet:
    """The same rows, without the joins and the order of the list."""
    return Approval.objects.all().filter(pk__in=queryset.order_by().values("pk"))
