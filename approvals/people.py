"""Names of people: pages say who, not which address."""

from collections.abc import Iterable

from approvals.models import User

Names = dict[str, str]


def names_of(addresses: Iterable[str]) -> Names:
    """The names of those addresses that belong to somebody here, by lower-case address."""
    wanted = {address.lower() for address in addresses if address}
    return {user.email: str(user) for user in User.objects.filter(email__in=wanted)}


def address_of(actor: str) -> str:
    """The address in an actor of the record (`user:ana@example.com`), or nothing."""
    kind, _, rest = actor.partition(":")
    return rest if kind == "user" else ""


def called(actor: str, names: Names) -> str:
    """How a sentence names an actor of the record; nobody for the system itself."""
    rest = actor.partition(":")[2]
    return names.get(rest.lower(), rest)
