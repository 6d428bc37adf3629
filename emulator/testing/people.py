"""Who there is in the inbox of a test: groups, the people in them, and whom a stage asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.utils import parseaddr

from countersign.terms import Asked, Stage

SOMEBODY = "somebody@example.com"
"""Who answers where nobody is named."""


class People:
    """The groups that a test tells of. Until it does, everybody and every group is known."""

    def __init__(self) -> None:
        self.groups: dict[str, tuple[str, ...]] = {}
        self.default_approvers: Sequence[str] = ()

    def knows(self, approver: str) -> bool:
        """Where groups are told, they and the people in them are all there are."""
        kind, _, name = approver.partition(":")
        return not self.groups or name in (self.groups if kind == "group" else self.names())

    def names(self) -> dict[str, str]:
        """The name of everybody who was told of, by address."""
        told = (address(member) for members in self.groups.values() for member in members)
        return {email: name for name, email in told}

    def members(self) -> dict[str, list[str]]:
        """The people of each group, all as they are written in requests."""
        return {
            f"group:{name}": [f"user:{address(member)[1]}" for member in members]
            for name, members in self.groups.items()
        }

    def reached(self, stage: Stage, requester: str) -> list[str]:
        """The addresses that a stage asks and that may answer, as far as they are known."""
        members = self.members()
        found = [
            person.removeprefix("user:")
            for asked in stage.asked
            for person in members.get(asked.name, [asked.name])
            if person.startswith("user:")
        ]
        own = mailbox(requester)
        return [email for email in dict.fromkeys(found) if mailbox(email) != own]

    def strangers(self, stage: Stage) -> list[str]:
        """The groups of a stage of which nobody has told who is in them."""
        members = self.members()
        names = [asked.name for asked in stage.asked]
        return [name for name in names if name.startswith("group:") and name not in members]

    def who(self, by: str) -> tuple[str, str]:
        """(e-mail, name) of somebody as a test names them."""
        name, email = address(by)
        return email, name or self.names().get(email, "")


def written(asked: Sequence[Asked]) -> Iterator[Asked]:
    """Each approver once, in the one spelling that the inbox keeps."""
    seen: set[str] = set()
    for each in asked:
        kind, _, name = each.name.partition(":")
        name = f"{kind}:{name.strip().lower() if kind == 'user' else name.strip()}"
        if name not in seen:
            yield Asked(name, each.why)
        seen.add(name)


def address(person: str) -> tuple[str, str]:
    """(name, e-mail in lower case) of `ana@example.com` or `Ana Almeida <ana@example.com>`."""
    name, email = parseaddr(person)
    return name, email.lower()


def mailbox(email: str) -> str:
    """The person behind an address: lower case, without a "+tag"."""
    local, at, domain = email.strip().lower().partition("@")
    return local.partition("+")[0] + at + domain
