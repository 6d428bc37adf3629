"""Notices as messages in a room: short, and without what a chat would take for its own language."""

import re

from django.conf import settings
from django.utils import translation

from approvals.letters import Letter, letter_of
from approvals.models import Notice

MOST_FACTS = 8
LONGEST = 200  # characters of one fact, or of what somebody said


def message_of(notice: Notice) -> tuple[str, str]:
    """Title and text, in the language of this inbox: a room has none of its own."""
    with translation.override(settings.DEFAULT_LANGUAGE):
        letter = letter_of(notice)
        return harmless(letter.subject), "\n".join(_lines(letter))


def _lines(letter: Letter) -> list[str]:
    found = [harmless(letter.lead)]
    if letter.quote:
        found.append(f"“{harmless(letter.quote[:LONGEST])}”")
    found += [harmless(f"{label}: {value[:LONGEST]}") for label, value in letter.facts[:MOST_FACTS]]
    if letter.deadline:
        found.append(harmless(letter.deadline))
    return [*found, letter.url]


def harmless(text: str) -> str:
    """Text of strangers that calls nobody and hides no address.

    `<!channel>`, `@everyone` and `[text](address)` mean something to chats.
    """
    text = text.replace("<", "\u2039").replace(">", "\u203a").replace("](", "] (")
    return re.sub(r"@(?=(all|channel|everyone|here)\b)", "@ ", text)
