"""The deployed workflows that people may start, as Google knows them; kept for a moment."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError

from approvals.declaration import BrokenDeclaration, Declaration, declared
from approvals.google.clients import workflows_client
from approvals.models import User

FRESH = 15  # seconds for which the list is not asked for again
KEPT = 24 * 3600  # seconds for a revision, which never changes
MOST = 200  # workflows that are looked at
TIMEOUT = 5.0  # seconds for each question to Google
AT_ONCE = 8


class CannotRead(Exception):
    """The deployed workflows could not be read; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Startable:
    """One workflow with a form, or with a block that is `broken` and says why."""

    name: str
    declaration: Declaration | None
    broken: str = ""

    @property
    def form(self) -> dict[str, Any]:
        """The form to fill in. Only of one that may be started: a broken one has none."""
        assert self.declaration is not None
        return self.declaration.form

    def may_be_started_by(self, user: User, groups: frozenset[str]) -> bool:
        """Everybody may, or those of its groups and those who may start anything."""
        if self.declaration is None:
            return False
        named = self.declaration.groups
        return not named or not groups.isdisjoint(named) or user.has_perm("approvals.add_started")


def startable() -> list[Startable]:
    """Every workflow that declares a form, broken ones too. Raises `CannotRead`."""
    if not settings.GOOGLE_CLOUD_PROJECT:
        raise CannotRead(
            gettext("GOOGLE_CLOUD_PROJECT is not set, so no workflows are looked for.")
        )
    parent = f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"
    key = _key("list", settings.WORKFLOWS_EMULATOR_HOST, parent)
    found: list[Startable] | None = cache.get(key)
    if found is None:
        found = _asked(parent)
        cache.set(key, found, FRESH)
    return found


def startable_by(user: User) -> list[Startable]:
    """Those that this person may start. Raises `CannotRead`."""
    groups = frozenset(user.groups.values_list("name", flat=True))
    return [each for each in startable() if each.may_be_started_by(user, groups)]


def _asked(parent: str) -> list[Startable]:
    try:
        client = workflows_client()
        pages = client.list_workflows(parent=parent, timeout=TIMEOUT, retry=None)
        listed = [flow for flow, _ in zip(pages, range(MOST), strict=False)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sources = list(pool.map(lambda flow: _source(client, flow), listed))
    except Forbidden:
        raise CannotRead(
            gettext(
                "Google does not let this inbox read workflows: it needs the role Workflows Viewer."
            )
        ) from None
    except GoogleAuthError as error:
        told = {"kind": type(error).__name__}
        raise CannotRead(gettext("There is no access to Google (%(kind)s).") % told) from None
    except (GoogleAPICallError, OSError) as error:
        told = {"kind": type(error).__name__}
        raise CannotRead(gettext("Google could not be asked (%(kind)s).") % told) from None
    return sorted(_read(listed, sources), key=_by_title)


def _source(client: Any, flow: Any) -> str:
    """The source of one workflow; nothing if it was deleted meanwhile."""
    key = _key("source", settings.WORKFLOWS_EMULATOR_HOST, flow.name, flow.revision_id)
    text: str | None = cache.get(key)
    if text is None:
        try:
            whole = client.get_workflow(name=flow.name, timeout=TIMEOUT, retry=None)
        except NotFound:
            return ""
        text = str(whole.source_contents)
        if whole.revision_id == flow.revision_id:
            cache.set(key, text, KEPT)
    return text


def _read(listed: list[Any], sources: list[str]) -> Iterator[Startable]:
    for flow, source in zip(listed, sources, strict=True):
        name = str(flow.name).rpartition("/")[2]
        try:
            declaration = declared(source)
        except BrokenDeclaration as error:
            yield Startable(name, None, str(error))
        else:
            if declaration:
                yield Startable(name, declaration)


def _by_title(each: Startable) -> str:
    return (each.declaration.title if each.declaration else each.name).lower()


def _key(*parts: str) -> str:
    """A key that every cache takes, however long the names are."""
    return f"start:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"
