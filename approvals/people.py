"""Names of people: pages say who, not which address."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from approvals.models import User

Names = dict[str, str]
MOST_WORDS, MOST_PEOPLE = 5, 100


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


def colleagues(text: str = "", *, but: Iterable[str] = ()) -> QuerySet[User]:
    """The active people whose name or address holds this text, by name.

    Args:
        but: addresses of those who are left out.
    """
    people = User.objects.filter(is_active=True).exclude(email__in=list(but))
    for word in text.split():
        people = people.filter(
            Q(email__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        )
    return people.order_by("first_name", "last_name", "email")


def called_so(text: str) -> list[User]:
    """The people in whose name these words are, all of them in one; those who have left too."""
    people = User.objects.all()
    for word in text.split()[:MOST_WORDS]:
        people = people.filter(Q(first_name__icontains=word) | Q(last_name__icontains=word))
    return list(people[:MOST_PEOPLE])


def person_called(text: str) -> User | None:
    """The one active person called so; None for nobody, and for several.

    Args:
        text: an address; or else a whole name, a first name or what an address begins with.
    """
    text = " ".join(text.split())
    people = User.objects.filter(is_active=True)
    if "@" in text:
        return people.filter(email=text.lower()).first()
    named = people.annotate(whole=Concat("first_name", Value(" "), "last_name"))
    found: list[User] = [*named.filter(whole__iexact=text)[:2]]
    if not found:
        short = Q(first_name__iexact=text) | Q(email__istartswith=f"{text}@")
        found = [*people.filter(short)[:2]]
    return found[0] if len(found) == 1 else None
