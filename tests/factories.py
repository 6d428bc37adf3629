"""Rows for tests, made the way the product makes them. Plain functions."""

import itertools
import uuid
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from approvals.google.addresses import CallbackAddress
from approvals.models import Approval, Caller, Policy, User
from approvals.registration import Place, register
from approvals.schemas import ApprovalIn

PROJECT = "123456789012"
_number = itertools.count(1)


@cache
def _demo() -> str:
    """The hash of the password `demo`, worked out once: it is slow on purpose."""
    return make_password("demo")


def make_user(email: str = "", *, first: str = "", last: str = "", **fields: Any) -> User:
    """A person; the password is `demo`. The name comes from the address if not given."""
    email = email or f"person{next(_number)}@example.com"
    first = first or email.partition("@")[0].capitalize()
    fields = {"first_name": first, "last_name": last, "password": _demo(), **fields}
    return User.objects.create(email=email.lower(), **fields)


def make_staff(email: str = "olga@example.com") -> User:
    """An operator with every permission."""
    return make_user(email, first="Olga", is_staff=True, is_superuser=True)


def make_group(name: str, *members: User) -> Group:
    group = Group.objects.create(name=name)
    group.user_set.add(*members)
    return group


def make_caller(email: str = "workflow@emulator.invalid", **fields: Any) -> Caller:
    fields = {"name": email, "projects": PROJECT, **fields}
    return Caller.objects.get_or_create(email=email, defaults=fields)[0]


def make_type(name: str, *approvers: str, **terms: Any) -> Policy:
    """A type that asks these in one stage; `terms` are columns of its one version."""
    policy = Policy.objects.create(name=name, title=name.capitalize())
    stages = [{"approvers": list(approvers), "votes_needed": terms.pop("votes_needed", 1)}]
    policy.revise("user:olga@example.com", **{"stages": stages, **terms})
    return policy


def make_callback_url(
    project: str = PROJECT, execution: str = "", workflow: str = "expense"
) -> str:
    """The address of a fresh endpoint, as Google makes them."""
    return (
        f"https://workflowexecutions.googleapis.com/v1/projects/{project}/locations/us-central1"
        f"/workflows/{workflow}/executions/{execution or uuid.uuid4()}"
        f"/callbacks/{uuid.uuid4()}_{uuid.uuid4()}"
    )


def make_request(**fields: Any) -> dict[str, Any]:
    """The body of a registration."""
    return {
        "title": "Expense of 1240 EUR, hotel in Lisbon",
        "callback_url": make_callback_url(),
        "fields": {"Amount": "1240 EUR", "Purpose": "Hotel in Lisbon"},
        "requested_by": "eva@example.com",
        "approvers": ["group:managers"],
        **fields,
    }


def make_approval(
    *, caller: Caller | None = None, key: str | None = None, **fields: Any
) -> Approval:
    """A registered approval; `fields` are those of the API. Approvers must exist."""
    body = ApprovalIn(**make_request(**fields))
    address = CallbackAddress.parse(body.callback_url)
    content = body.model_dump(mode="json", exclude={"callback_url"})
    place = Place(address.url, address.execution_name, key)
    approval, _ = register(caller or make_caller(), place, content)
    return approval
