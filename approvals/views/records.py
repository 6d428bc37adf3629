"""What auditors take away: signed receipts, the keys that check them, and exports."""

import json
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from approvals.export import download
from approvals.export_form import ExportForm
from approvals.receipts import make_receipt
from approvals.signing import accepted_keys, key_set
from approvals.views.common import PersonRequest, find, signed_in


@require_safe
@signed_in
def receipt_file(request: PersonRequest, pk: UUID) -> HttpResponse:
    """The signed receipt of how this approval stands now, as a file."""
    text = json.dumps(make_receipt(find(request, pk)), indent=2, ensure_ascii=False)
    headers = {"Content-Disposition": f'attachment; filename="receipt-{pk}.json"'}
    return HttpResponse(text, content_type="application/json", headers=headers)


@require_safe
def receipt_keys(request: HttpRequest) -> HttpResponse:
    """The public keys of receipts, for everybody, as a JSON Web Key Set."""
    del request
    return JsonResponse(key_set(accepted_keys()))


@require_safe
@signed_in
def export(request: PersonRequest, kind: str = "") -> HttpResponseBase:
    """Choose approvals, for those who may read all of them; with a kind, the file."""
    if not request.user.has_perm("approvals.view_approval"):
        raise PermissionDenied
    form = ExportForm(request.GET)
    if kind and form.is_valid():
        return download(form.approvals, kind)
    status = 422 if kind else 200
    return render(request, "approvals/export.html", {"form": form}, status=status)
