"""Who is asked: people by name, or through a group."""

from collections.abc import Iterable
from typing import ClassVar

from django.contrib.auth.models import Group
from django.db import models

from approvals.models.errors import UnknownApprover
from approvals.models.user import User


class ApproverQuerySet(models.QuerySet["Approver"]):
    def reaching(self, user: User) -> "ApproverQuerySet":
        """Rows that ask this person, by name or through a group they are in now."""
        return self.filter(
            models.Q(user=user) | models.Q(group__in=user.groups.values("pk")),
        )


class Approver(models.Model):
    """One entry of an approval's `approvers`: a person or a group, never both."""

    approval = models.ForeignKey("Approval", models.CASCADE, related_name="approvers")
    user = models.ForeignKey(User, models.PROTECT, null=True)
    group = models.ForeignKey(Group, models.PROTECT, null=True)

    objects: ClassVar[ApproverQuerySet] = ApproverQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) ^ models.Q(group__isnull=True),
                name="approver_is_user_or_group",
            ),
            models.UniqueConstraint(fields=["approval", "user"], name="approver_user_once"),
            models.UniqueConstraint(fields=["approval", "group"], name="approver_group_once"),
        )

    def __str__(self) -> str:
        return f"user:{self.user.email}" if self.user else f"group:{self.group}"

    @property
    def label(self) -> str:
        """The name that people read."""
        return str(self.user or self.group)


def resolve(names: Iterable[str]) -> list[Approver]:
    """Unsaved approvers for texts like `user:ana@example.com` and `group:finance`.

    Raises `UnknownApprover`, naming every text that is nobody here.
    """
    found: dict[User | Group, Approver] = {}
    unknown: list[str] = []
    for name in names:
        kind, _, rest = name.partition(":")
        user = User.objects.filter(email=rest.strip().lower(), is_active=True).first()
        group = Group.objects.filter(name=rest.strip()).first()
        if kind == "user" and user:
            found[user] = Approver(user=user)
        elif kind == "group" and group:
            found[group] = Approver(group=group)
        else:
            unknown.append(name)
    if unknown:
        raise UnknownApprover(
            f"Nobody here is called {', '.join(unknown)}. Use user:E-MAIL of an active person"
            " or group:NAME; both are kept in the admin."
        )
    return list(found.values())
