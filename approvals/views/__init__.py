"""The pages: find what the person may see, tell the model, go on. GET changes nothing."""

from approvals.views.attention import attend
from approvals.views.bulk import bulk, bulk_confirm
from approvals.views.common import csrf_failure
from approvals.views.decision import decide, receipt, take_back
from approvals.views.detail import detail
from approvals.views.device import manifest, offline, worker
from approvals.views.drawing import way
from approvals.views.handover import hand_over, reassign
from approvals.views.inbox import inbox, news
from approvals.views.insights import insights, insights_chart, insights_file
from approvals.views.profile import absence, end_absence, profile, revoke_token, telling, token
from approvals.views.records import export, receipt_file, receipt_keys
from approvals.views.saved import change_view, remove_view, saved_views
from approvals.views.start import start, start_list, started
from approvals.views.talk import say

__all__ = [
    "absence",
    "attend",
    "bulk",
    "bulk_confirm",
    "change_view",
    "csrf_failure",
    "decide",
    "detail",
    "end_absence",
    "export",
    "hand_over",
    "inbox",
    "insights",
    "insights_chart",
    "insights_file",
    "manifest",
    "news",
    "offline",
    "profile",
    "reassign",
    "receipt",
    "receipt_file",
    "receipt_keys",
    "remove_view",
    "revoke_token",
    "saved_views",
    "say",
    "start",
    "start_list",
    "started",
    "take_back",
    "telling",
    "token",
    "way",
    "worker",
]
