"""People, who sign in with their e-mail address."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager, Group
from django.db import models
from django.db.models.functions import Concat, Left, Lower, StrIndex, Substr
from django.db.models.lookups import GreaterThan, LessThan
from django.utils.translation import gettext_lazy as _


def mailbox(email: str) -> str:
    """The person behind an address: lower case, without a "+tag".

    The requester never decides their own; `Ana+x@example.com` is `ana@example.com` there.
    """
    local, at, domain = email.strip().lower().partition("@")
    return local.partition("+")[0] + at + domain


_PLUS, _AT = (StrIndex("email", models.Value(sign)) for sign in "+@")
MAILBOX = models.Case(
    models.When(
        models.Q(GreaterThan(_PLUS, 0), LessThan(_PLUS, _AT)),
        then=Concat(Left("email", _PLUS - 1), Substr("email", _AT)),
    ),
    default="email",
    output_field=models.CharField(),
)
"""The same of each row of `User`."""


def without(
    people: models.QuerySet["User"], address: str | models.OuterRef
) -> models.QuerySet["User"]:
    """These people but whoever has this mailbox."""
    return people.alias(own=MAILBOX).exclude(own=address)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a person; without a password they can sign in only through the proxy (IAP)."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make an administrator."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Sign-in does not care about the case of an address."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractUser):
    """One person. `email` is kept in lower case and is unique."""

    username = None  # type: ignore[assignment]  # AbstractUser's field is removed on purpose
    email = models.EmailField(_("e-mail address"), unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # keyed by e-mail

    class Meta:
        ordering = ("email",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_lower_case"
            ),
        )

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()

    @property
    def mailbox(self) -> str:
        """The address that separation of duties compares."""
        return mailbox(self.email)

    def groups_in_sight(self) -> list[str]:
        """The names of the groups of whose requests they may know: their own; all for a reader of
        all requests."""
        groups = Group.objects if self.has_perm("approvals.view_approval") else self.groups
        return list(groups.order_by("name").values_list("name", flat=True))

    @property
    def actor(self) -> str:
        """How the record names this person."""
        return f"user:{self.email}"
