"""What people send: an answer, a question, a colleague, an absence, the label of a key."""

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.models import Preference, User
from approvals.people import person_called

MAX_COMMENT = 5000
_STALE = _("This page is out of date. Please open the request again.")

if TYPE_CHECKING:  # generic for the type checker, a plain class at run time
    from django.utils.functional import _StrPromise

    _TellingBase = forms.ModelForm[Preference]
else:
    _TellingBase = forms.ModelForm


class CommentField(forms.CharField):
    """A comment; browsers send CR LF for a line break, which counts as one character."""

    def __init__(self, *, required: "str | _StrPromise" = "") -> None:
        super().__init__(required=bool(required), error_messages={"required": required})
        text = _("Please shorten it to 5,000 characters; it has %(show_value)s.")
        self.validators.append(MaxLengthValidator(MAX_COMMENT, text))

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n").strip()


class DayInput(forms.DateInput):
    """Browsers offer a calendar."""

    input_type = "date"


class DayField(forms.DateField):
    """A day that is a moment in every time zone, as its neighbours are."""

    widget = DayInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for validator, limit in (
            (MinValueValidator, date(1900, 1, 1)),
            (MaxValueValidator, date(2999, 12, 31)),
        ):
            self.validators.append(validator(limit, _("Please check the year.")))


class KeyForm(forms.Form):
    """What a new API key is called: where it is kept, so that it can be found and revoked."""

    label = forms.CharField(
        max_length=100, error_messages={"required": _("Please say where the key will be kept.")}
    )
    once = forms.UUIDField(required=False, initial=uuid4, widget=forms.HiddenInput)


class DecisionForm(forms.Form):
    """The pressed button, the comment, and the revision the person had before them."""

    outcome = forms.CharField(
        max_length=50, error_messages={"required": _("Please choose one of the answers.")}
    )
    revision = forms.IntegerField(
        min_value=1,
        max_value=2**31 - 1,  # what the column holds
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _STALE),
    )
    comment = CommentField()


class PersonField(forms.CharField):
    """An active colleague, by address or by name."""

    def __init__(self) -> None:
        super().__init__(
            max_length=254, error_messages={"required": _("Please choose a colleague.")}
        )

    def clean(self, value: Any) -> User:
        person = person_called(super().clean(value))
        if person is None:
            raise forms.ValidationError(
                _(
                    "Nobody here has this name or address, or several people do. Please give the"
                    " e-mail address of a colleague."
                )
            )
        return person


class SayForm(forms.Form):
    """A question to the requester, or their answer."""

    text = CommentField(required=_("Please write something."))


class WhyForm(forms.Form):
    """Why an operator does it."""

    reason = forms.CharField(
        max_length=500, error_messages={"required": _("Please say why: it goes into the record.")}
    )


class HandOverForm(forms.Form):
    """Who decides instead, and why."""

    to = PersonField()
    reason = forms.CharField(
        max_length=500, error_messages={"required": _("Please say why: your colleague reads it.")}
    )


class AbsenceForm(forms.Form):
    """From which day to which a colleague decides for me. Both days count in full."""

    first = DayField(error_messages={"required": _("Please say from which day on.")})
    last = DayField(error_messages={"required": _("Please say until which day.")})
    colleague = PersonField()
    reason = forms.CharField(max_length=200, required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_colleague(self) -> User:
        colleague: User = self.cleaned_data["colleague"]
        if colleague == self.user:
            raise forms.ValidationError(_("Please choose somebody else."))
        return colleague

    def clean_last(self) -> Any:
        last = self.cleaned_data["last"]
        if last < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        first = self.cleaned_data.get("first")
        if first and last < first:
            raise forms.ValidationError(_("The last day is before the first."))
        return last

    @property
    def begins(self) -> datetime:
        """The beginning of the first day."""
        return timezone.make_aware(datetime.combine(self.cleaned_data["first"], time()))

    @property
    def ends(self) -> datetime:
        """The end of the last day."""
        following = self.cleaned_data["last"] + timedelta(days=1)
        return timezone.make_aware(datetime.combine(following, time()))


class TokenForm(forms.Form):
    """What a personal token is called, and for how long it is good."""

    label = forms.CharField(
        max_length=100, error_messages={"required": _("Please say where the token will be kept.")}
    )
    days = forms.TypedChoiceField(
        choices=[(30, _("30 days")), (90, _("90 days")), (365, _("365 days"))], coerce=int
    )


class TellingForm(_TellingBase):
    """How often a person wants to be told, of what, and in which language."""

    language = forms.ChoiceField(
        choices=[("", _("As the browser asks")), *settings.LANGUAGES], required=False
    )

    class Meta:
        model = Preference
        fields = ("pace", "hour", "time_zone", "language", "receipts", "results", "goes_on")
