"""The one Django app, and the operators' site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Approvals"

    def ready(self) -> None:
        from approvals import checks  # noqa: F401, PLC0415 - registers the system checks


class OperatorsConfig(AdminConfig):
    """Django's admin, as `OperatorsSite` shows it."""

    default = False
    default_site = "approvals.operators_site.OperatorsSite"
