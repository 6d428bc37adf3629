"""Saved views: what a person looks for again and again in the inbox, under a name."""

from typing import ClassVar

from django.contrib.auth.models import Group
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from approvals.models.user import User

MOST, MOST_LETTERS = 50, 1000
"""Views that a person may keep, and letters of one's address."""


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def of(self, user: User) -> "SavedViewQuerySet":
        """Their own, then those that were shared with a group they are in."""
        shared = models.Q(group__user=user)
        own = models.Case(models.When(owner=user, then=0), default=1)
        return self.filter(models.Q(owner=user) | shared).distinct().order_by(own, "name", "pk")


class SavedView(models.Model):
    """One search of the inbox under a name. It narrows what a person sees, and never widens it."""

    owner = models.ForeignKey(User, models.CASCADE, related_name="saved_views")
    group = models.ForeignKey(
        Group,
        models.CASCADE,
        null=True,
        blank=True,
        help_text=_("With whom it is shared."),
    )
    name = models.CharField(max_length=60)
    query = models.CharField(
        max_length=MOST_LETTERS, help_text=_("What stands in the address behind “?”.")
    )
    is_default = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Its owner's inbox opens with it."),
    )

    objects: ClassVar[SavedViewQuerySet] = SavedViewQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="one_view_per_name"),
            models.UniqueConstraint(
                fields=["owner"],
                condition=models.Q(is_default=True),
                name="one_default_view_per_person",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('approvals:inbox')}?{self.query}"
