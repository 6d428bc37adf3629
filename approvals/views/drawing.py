"""What happens after each answer: a page of its own, of which the approval's page takes a part."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.views.common import PersonRequest, find, signed_in
from approvals.way import way_of


@require_safe
@signed_in
def way(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The steps of the workflow: what came before the question, and what follows each answer."""
    approval = find(request, pk)
    context = {"approval": approval, "way": way_of(approval)}
    return render(request, "approvals/drawing.html", context)
