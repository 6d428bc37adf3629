"""The one Django app, and the operators' site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = _("Approvals")

    def ready(self) -> None:
        from approvals import (  # noqa: PLC0415 - the models are there by now
            checks,  # noqa: F401 - registers the system checks
            names,
        )

        names.translate(self.get_models())


class OperatorsConfig(AdminConfig):
    """Django's admin, as `OperatorsSite` shows it."""

    default = False
    default_site = "approvals.operators_site.OperatorsSite"
