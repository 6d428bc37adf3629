"""System checks: what would be unsafe or could not work is said before the first request."""

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register
from django.core.checks.messages import Warning as CheckWarning

from approvals.signing import BadKey, accepted_keys


@register(Tags.security)
def emulator_and_credentials_agree(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """With the emulator, credentials must come from it: Google's token goes to Google only."""
    del app_configs
    emulator = urlsplit(settings.WORKFLOWS_EMULATOR_HOST)
    if not emulator.netloc:
        return []
    if all(os.environ.get(name) == emulator.netloc for name in METADATA):
        return []
    return [
        Error(
            "WORKFLOWS_EMULATOR_HOST is set, but credentials would come from elsewhere.",
            hint=f"Set {' and '.join(METADATA)} to {emulator.netloc}.",
            id="approvals.E001",
        )
    ]


METADATA = ("GCE_METADATA_HOST", "GCE_METADATA_IP")


@register(Tags.security)
def fit_for_cloud_run(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """What is fine on a laptop and loses decisions or trust on Cloud Run."""
    del app_configs
    found: list[CheckMessage] = []
    if not os.environ.get("K_SERVICE"):
        return found
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(
            Error(
                "SQLite on Cloud Run forgets every decision at a restart.",
                hint="Set DATABASE_URL to a PostgreSQL database.",
                id="approvals.E002",
            )
        )
    if settings.WORKFLOWS_EMULATOR_HOST:
        found.append(
            Error(
                "The emulator's identity tokens would be trusted on Cloud Run.",
                hint="Unset WORKFLOWS_EMULATOR_HOST.",
                id="approvals.E003",
            )
        )
    return found


@register(Tags.security)
def receipts_can_be_signed(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Keys of receipts that are none would be found out by the first person who wants one."""
    del app_configs
    try:
        accepted_keys()
    except BadKey as error:
        hint = "`manage.py receipt_keys --new` makes a key and says what belongs where."
        said = f"RECEIPT_KEY or RECEIPT_PUBLIC_KEYS cannot be used: {error}"
        return [Error(said, hint=hint, id="approvals.E004")]
    return []


@register(Tags.compatibility)
def deliveries_can_leave(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """With none of these a worker would run, say that it is there, and deliver nothing."""
    del app_configs
    wrong = [name for name in OF_DELIVERIES if getattr(settings, name) < 1]
    if not wrong:
        return []
    said = f"{' and '.join(wrong)} would let no answer leave."
    hint = "Set 1 or more, or nothing for what is usual."
    return [Error(said, hint=hint, id="approvals.E005")]


OF_DELIVERIES = ("DELIVERY_LEASE", "DELIVERY_RATE", "DELIVERY_THREADS")


@register(Tags.security, deploy=True)
def addresses_are_exact(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Addresses as a deployment needs them."""
    del app_configs
    found: list[CheckMessage] = []
    if not settings.BASE_URL.startswith("https://"):
        hint = "Set BASE_URL to the address that people open."
        found.append(CheckWarning("BASE_URL is not https.", hint=hint, id="approvals.W001"))
    if "*" in settings.ALLOWED_HOSTS:
        hint = "List the host names that people open."
        found.append(CheckWarning("ALLOWED_HOSTS allows any name.", hint=hint, id="approvals.W002"))
    return found


@register(Tags.compatibility, deploy=True)
def people_are_told(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Without mail, who is asked learns of it from a chat, or by looking."""
    del app_configs
    if settings.TELL_BY_MAIL:
        return []
    hint = "Set EMAIL_URL to a mail server."
    return [Info("Nobody is told by mail.", hint=hint, id="approvals.I001")]
