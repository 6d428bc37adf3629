"""Who is asked: people by name, or through a group, in one of the stages."""

from collections.abc import Iterable
from typing import ClassVar

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils import timezone

from approvals.models.errors import UnknownApprover
from approvals.models.user import User
from countersign.phrases import phrase
from countersign.terms import Asked

UNKNOWN = phrase(
    "Nobody here is called %(names)s. Use user:E-MAIL of an active person or group:NAME; both are"
    " kept in the admin."
)


class ApproverQuerySet(models.QuerySet["Approver"]):
    def current(self) -> "ApproverQuerySet":
        """Those that still ask: not handed over, not replaced."""
        return self.filter(ended_at__isnull=True)

    def naming(self, user: User) -> "ApproverQuerySet":
        """Rows that ask this person by name."""
        return self.filter(user=user)

    def through(self, user: User) -> "ApproverQuerySet":
        """Rows that ask a group this person is in now."""
        return self.filter(group__in=user.groups.values("pk"))


class Approver(models.Model):
    """One entry of who is asked: a person or a group, never both; `why` is for people to read."""

    approval = models.ForeignKey("Approval", models.CASCADE, related_name="approvers")
    stage = models.PositiveIntegerField(default=0)
    user = models.ForeignKey(User, models.PROTECT, null=True)
    group = models.ForeignKey(Group, models.PROTECT, null=True)
    why = models.CharField(max_length=500, blank=True)
    since = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[ApproverQuerySet] = ApproverQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("stage", "pk")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) ^ models.Q(group__isnull=True),
                name="approver_is_user_or_group",
            ),
            *(
                models.UniqueConstraint(
                    fields=["approval", "stage", kind],
                    condition=models.Q(ended_at__isnull=True),
                    name=f"approver_{kind}_once",
                )
                for kind in ("user", "group")
            ),
        )

    def __str__(self) -> str:
        return f"user:{self.user.email}" if self.user else f"group:{self.group}"

    @property
    def label(self) -> str:
        """The name that people read."""
        return str(self.user or self.group)


def resolve(asked: Iterable[Asked], *, stage: int = 0, invite: bool = False) -> list[Approver]:
    """Unsaved approvers for names like `user:ana@example.com` and `group:finance`.

    Args:
        invite: a person whose address is unknown is invited: their user is unsaved here, and
            `welcome` makes it one who cannot sign in yet.

    Raises `UnknownApprover`, naming every text that is nobody here.
    """
    found: dict[str, Approver] = {}
    unknown: list[str] = []
    for each in asked:
        kind, _, rest = each.name.partition(":")
        who: User | Group | None = None
        if kind == "user":
            email = rest.strip().lower()
            who = User.objects.filter(email=email).first()
            if who is None and invite and _is_address(email):
                who = User(email=email)
            elif isinstance(who, User) and not who.is_active:
                who = None
        elif kind == "group":
            who = Group.objects.filter(name=rest.strip()).first()
        if who is None:
            unknown.append(each.name)
            continue
        person = who if isinstance(who, User) else None
        group = who if isinstance(who, Group) else None
        approver = Approver(stage=stage, user=person, group=group, why=each.why[:500])
        found.setdefault(str(approver), approver)
    if unknown:
        raise UnknownApprover(UNKNOWN % {"names": ", ".join(unknown)})
    return list(found.values())


def _is_address(email: str) -> bool:
    try:
        validate_email(email)
    except ValidationError:
        return False
    return email.isascii()  # PostgreSQL and Python may differ on what is lower case elsewhere


def welcome(approvers: Iterable[Approver]) -> None:
    """Make users of those who are invited."""
    for approver in approvers:
        if approver.user is not None and approver.user._state.adding:
            email = approver.user.email
            known = User.objects.filter(email=email).first()
            approver.user = known or User.objects.create_user(email)
