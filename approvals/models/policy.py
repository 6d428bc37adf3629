"""Types: named policies of how an approval of this kind is decided, version by version."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from approvals.models.content import APPROVED
from countersign.phrases import phrase
from countersign.policies import rules_in, stages_in
from countersign.terms import Terms

NAME = RegexValidator(
    r"^[a-z][a-z0-9-]*$", _("Lower-case letters, digits and hyphens, a letter first.")
)
MAX_UNDO = 3600
NAMED_IN_TYPE = phrase("Named in the type “%(type)s”")


class PolicyQuerySet(models.QuerySet["Policy"]):
    def current(self, name: str) -> "PolicyVersion | None":
        """The newest version of the active type of that name, or None."""
        versions = PolicyVersion.objects.filter(policy__name=name, policy__is_active=True)
        return versions.select_related("policy").order_by("-number").first()

    def titles(self) -> dict[str, str]:
        """What people call each, in the order of that: name -> title."""
        return dict(self.order_by("title").values_list("name", "title"))


class Policy(models.Model):
    """A type: the name that workflows use. What it says is in its versions."""

    name = models.CharField(max_length=100, unique=True, validators=[NAME])
    title = models.CharField(max_length=100, help_text=_("What people read: “Supplier payment”."))
    description = models.CharField(max_length=300, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[PolicyQuerySet] = PolicyQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        verbose_name = _("type")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.title

    def revise(self, by: str, **terms: Any) -> "PolicyVersion":
        """Make a new version; the same terms again make none. Raises ValidationError."""
        with transaction.atomic():
            last = self.versions.select_for_update().order_by("-number").first()
            version = PolicyVersion(
                policy=self, number=last.number + 1 if last else 1, created_by=by, **terms
            )
            version.full_clean(exclude=["policy"])
            if last and last.as_data() == version.as_data():
                return last
            version.save(force_insert=True)
        return version


class PolicyVersion(models.Model):
    """What a type says from a moment on. Never changed: an approval keeps the one it began under.

    Times are in seconds. `votes_needed` is empty where everybody must agree.
    """

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=300)

    stages = models.JSONField(
        default=list,
        blank=True,
        help_text=_(
            'In order: [{"name": "", "approvers": ["group:finance"], "votes_needed": 1}].'
            " votes_needed may be “everyone”."
        ),
    )
    rules = models.JSONField(
        default=list,
        blank=True,
        help_text=_(
            "The first that is true picks the approvers of the first stage:"
            ' [{"field": "Amount", "operator": ">", "value": 10000, "approvers": ["group:cfo"]}].'
        ),
    )
    comment_rule = models.CharField(max_length=10, default="on_reject")
    expires_in = models.PositiveIntegerField(_("time limit"), null=True, blank=True)
    on_expiry = models.CharField(max_length=50, default="expired")
    silence_approves = models.BooleanField(
        default=False,
        help_text=_("A request may say that no answer in time means yes."),
    )
    reject_settles = models.BooleanField(
        default=True,
        help_text=_("One rejection is the outcome, whatever others say."),
    )
    remind_after = models.JSONField(default=list, blank=True, help_text=_("Seconds after asking."))
    escalate_after = models.PositiveIntegerField(null=True, blank=True)
    escalate_to = models.CharField(
        max_length=254, blank=True, help_text=_("group:NAME or user:E-MAIL")
    )
    undo = models.PositiveIntegerField(
        _("undo window"), default=0, help_text=_("Seconds in which an answer can be taken back.")
    )
    form = models.JSONField(null=True, blank=True, help_text=_("JSON Schema of the form."))
    invites = models.BooleanField(
        default=False,
        help_text=_("Unknown e-mail addresses are invited instead of refused."),
    )
    priority = models.CharField(max_length=10, default="normal")

    class Meta:
        verbose_name = _("version")
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=["policy", "number"], name="policy_version_once"),
        )

    def __str__(self) -> str:
        return f"{self.policy.name} v{self.number}"

    TERMS: ClassVar[tuple[str, ...]] = (
        *("stages", "rules", "comment_rule", "expires_in", "on_expiry", "silence_approves"),
        *("reject_settles", "remind_after", "escalate_after", "escalate_to", "undo", "form"),
        *("invites", "priority"),
    )

    def as_data(self) -> dict[str, Any]:
        """All that it says, as data."""
        return {name: getattr(self, name) for name in self.TERMS}

    def clean(self) -> None:
        wrong: dict[str, str] = {}
        for name, check in (("stages", stages_in), ("rules", rules_in)):
            try:
                check(getattr(self, name))
            except (TypeError, ValueError, KeyError) as error:
                wrong[name] = gettext("Not as shown below: %(why)s") % {"why": error}
        if self.on_expiry == APPROVED and not self.silence_approves:
            wrong["on_expiry"] = gettext("Silence approves only where that is allowed below.")
        if self.undo > MAX_UNDO:
            wrong["undo"] = gettext("At most %(most)d seconds.") % {"most": MAX_UNDO}
        if self.expires_in is not None:
            late = [after for after in self.remind_after if after >= self.expires_in]
            if late:
                wrong["remind_after"] = gettext("A reminder after the time limit reaches nobody.")
        if (self.escalate_after is None) != (not self.escalate_to):
            wrong["escalate_to"] = gettext(
                "Say both after how many seconds, and to whom; or neither."
            )
        if wrong:
            raise ValidationError(wrong)

    @property
    def terms(self) -> Terms:
        """The same as a value that rules work on."""
        return Terms(
            stages=stages_in(self.stages, NAMED_IN_TYPE % {"type": self.policy}),
            rules=rules_in(self.rules),
            comment=self.comment_rule,
            expires_in=self.expires_in,
            on_expiry=self.on_expiry,
            silence_approves=self.silence_approves,
            reject_settles=self.reject_settles,
            remind_after=tuple(self.remind_after),
            escalate_after=self.escalate_after,
            escalate_to=self.escalate_to,
            undo=self.undo,
            form=self.form,
            invites=self.invites,
            priority=self.priority,
            source=str(self.policy),
        )
