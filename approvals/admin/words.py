"""What the operators' pages call things: as the inbox does, where models have other names."""

from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from approvals.models import Approval, Attempt, Event, PolicyVersion, User, Vote

# The name of one stays: Django makes the names of permissions of it, which documents mention.
LISTS: dict[type[Model], object] = {
    Approval: _("requests"),
    Vote: pgettext_lazy("to requests", "answers"),
    Event: _("lines of the record"),
    Attempt: pgettext_lazy("to deliver", "tries"),
    PolicyVersion: _("versions of types"),
    User: _("people"),
}
COLUMNS: dict[type[Model], dict[str, object]] = {
    Approval: {
        "created_at": _("asked"),
        "expires_at": _("to be answered by"),
        "decided_at": _("closed"),
        "decided_by": _("answered by"),
        "on_expiry": _("when nobody answers"),
        "reject_settles": _("one rejection settles it"),
        "comment_rule": _("comment"),
        "undo": _("undo window"),
        "result": _("what the workflow did"),
        "result_url": _("where to see it"),
        "policy": _("version of its type"),
        "callback_url": _("address"),
        "idempotency_key": _("key of the caller"),
        "content_sha256": _("fingerprint"),
        "revision": _("revision"),
    },
    Vote: {
        "user": _("who"),
        "principal": _("in whose right"),
        "outcome": _("answer"),
        "at": _("when"),
        "approval": _("request"),
        "taken_back_at": _("taken back"),
    },
    Event: {
        "at": _("when"),
        "kind": _("what"),
        "actor": _("who"),
        "approval": _("request"),
    },
}


def name() -> None:
    """Give them these names. Django reads them from the models, for lists, links and columns."""
    for model, words in LISTS.items():
        model._meta.verbose_name_plural = words  # type: ignore[assignment]  # a lazy text
    for model, columns in COLUMNS.items():
        for column, words in columns.items():
            model._meta.get_field(column).verbose_name = words  # type: ignore[union-attr]  # a column
