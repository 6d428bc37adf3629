"""Sessions in the database, as Django's own, whose trouble stays visible."""

from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError

from approvals.trouble import TROUBLE


class SessionStore(db.SessionStore):
    """Django takes every error in saving for a session that was deleted meanwhile, a 400."""

    def save(self, must_create: bool = False) -> Any:
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, TROUBLE):
                raise error.__context__ from None
            raise
