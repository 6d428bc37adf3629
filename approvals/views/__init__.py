"""The pages: find what the person may see, tell the model, go on. GET changes nothing."""

from approvals.views.common import csrf_failure
from approvals.views.decision import decide, receipt
from approvals.views.detail import detail
from approvals.views.inbox import inbox

__all__ = ["csrf_failure", "decide", "detail", "inbox", "receipt"]
