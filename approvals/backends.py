"""Who has signed in, read with what they have chosen."""

from django.contrib.auth.backends import ModelBackend

from approvals.models import User


class PersonBackend(ModelBackend):
    """Django's own, by passwords. Each page asks for the person's language: in the same query."""

    def get_user(self, user_id: int) -> User | None:
        """The person of a session, if they may still sign in."""
        people = User.objects.select_related("preference")
        user = people.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
