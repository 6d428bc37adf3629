"""Sentences that are kept or handed on in English, and are translated where people read them.

The record, the API and the log say the same to everybody, whoever reads in which language. So what
goes there is written in English, and marked here; a page finds the sentence again by its words.
"""

PHRASES: set[str] = set()
"""All of them, those of every module that is loaded."""


def phrase(text: str) -> str:
    """The text itself, marked for translation.

    Args:
        text: a constant; what varies stands in it as `%(name)s`. Marked once, where the module
            is loaded: `LATE = phrase("%(who)s was late.")`, and then `LATE % {"who": who}`.
    """
    PHRASES.add(text)
    return text
