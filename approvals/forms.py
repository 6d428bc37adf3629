"""What people send: a decision, the label of a key."""

from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator

MAX_COMMENT = 5000
_STALE = "This page is out of date. Please open the request again."


class CommentField(forms.CharField):
    """A comment; browsers send CR LF for a line break, which counts as one character."""

    def __init__(self) -> None:
        super().__init__(required=False)
        text = "Please shorten it to 5,000 characters; it has %(show_value)s."
        self.validators.append(MaxLengthValidator(MAX_COMMENT, text))

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n").strip()


class KeyForm(forms.Form):
    """What a new API key is called: where it is kept, so that it can be found and revoked."""

    label = forms.CharField(
        max_length=100, error_messages={"required": "Please say where the key will be kept."}
    )


class DecisionForm(forms.Form):
    """The pressed button, the comment, and the revision the person had before them."""

    outcome = forms.CharField(
        max_length=50, error_messages={"required": "Please choose one of the answers."}
    )
    revision = forms.IntegerField(
        min_value=1,
        max_value=2**31 - 1,  # what the column holds
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _STALE),
    )
    comment = CommentField()
