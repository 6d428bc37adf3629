"""The operators' pages of people and groups: how they are kept, and who gives rights to whom."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from approvals.models import User
from tests.approvals.reading import address, as_person
from tests.factories import make_user


@pytest.fixture
def client(olga):
    """Olga's browser: she has every permission."""
    return as_person(olga)


class TestPeople:
    def test_a_person_is_added_by_address_and_can_sign_in(self, client):
        data = {
            "email": "New.Person@Example.com",
            "first_name": "New",
            "last_name": "Person",
            "usable_password": "true",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        }

        response = client.post(address(User, "add"), data)

        person = User.objects.get(email="new.person@example.com")
        assert response.status_code == 302
        assert person.check_password("correct horse battery")

    def test_one_address_is_one_person(self, client, ana):
        data = {"email": "ANA@example.com", "usable_password": "false"}

        response = client.post(address(User, "add"), data)

        assert "already exists" in response.content.decode()

    def test_people_are_made_inactive_never_deleted(self, client, ana):
        assert client.post(address(User, "delete", ana.pk), {"post": "yes"}).status_code == 403

        body = client.get(address(User, "change", ana.pk)).content.decode()

        assert 'name="is_active"' in body
        assert 'name="username"' not in body

    def test_a_group_is_kept_with_its_members(self, client, ana):
        data = {
            "name": "finance",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(ana.pk),
        }

        client.post(address(Group, "add"), data)

        group = Group.objects.get(name="finance")
        assert list(group.user_set.all()) == [ana]
        page = client.get(address(Group, "change", group.pk)).content.decode()
        assert "ana@example.com" in page
        assert "User_groups object" not in page


class TestRights:
    """What staff with single permissions cannot give to themselves or to others."""

    @pytest.fixture
    def clerk(self, db):
        return self.allow(make_user("clerk@example.com", is_staff=True), "view_user", "change_user")

    def allow(self, person, *names):
        person.user_permissions.add(*Permission.objects.filter(codename__in=names))
        return person

    def save(self, by, person, **fields):
        """Send the form of this person with all that could be in it."""
        sent = {
            "email": person.email,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "is_active": "on",
            **fields,
        }
        return as_person(by).post(address(User, "change", person.pk), sent)

    def test_a_clerk_keeps_names_addresses_and_passwords_of_people(self, clerk, ana):
        assert self.save(clerk, ana, first_name="Anna", email="anna@example.com").status_code == 302

        url = reverse("admin:auth_user_password_change", args=[ana.pk])
        new = {"usable_password": "true", "password1": "a new secret", "password2": "a new secret"}
        assert as_person(clerk).post(url, new).status_code == 302

        ana.refresh_from_db()
        assert (ana.first_name, ana.email) == ("Anna", "anna@example.com")
        assert ana.check_password("a new secret")

    def test_a_clerk_gives_nobody_rights(self, clerk, ana):
        group = Group.objects.create(name="finance")
        everything = list(Permission.objects.values_list("pk", flat=True))
        rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": everything}

        for person in (clerk, ana):
            before = set(person.get_all_permissions()), person.is_staff
            assert self.save(clerk, person, groups=[group.pk], **rights).status_code == 302

            after = User.objects.get(pk=person.pk)
            assert (set(after.get_all_permissions()), after.is_staff) == before
            assert not after.is_superuser
            assert not after.groups.exists()

    @pytest.mark.parametrize(("staff", "superuser"), [(True, True), (False, True), (True, False)])
    def test_a_clerk_cannot_become_somebody_with_more_rights(self, clerk, staff, superuser):
        boss = make_user("boss@example.com", is_staff=staff, is_superuser=superuser)
        password = reverse("admin:auth_user_password_change", args=[boss.pk])
        new = {"usable_password": "true", "password1": "a new secret", "password2": "a new secret"}

        assert self.save(clerk, boss, email="clerk2@example.com").status_code == 403
        assert as_person(clerk).get(password).status_code == 403
        assert as_person(clerk).post(password, new).status_code == 403

        after = User.objects.get(pk=boss.pk)
        assert (after.email, after.password) == (boss.email, boss.password)
        page = as_person(clerk).get(address(User, "change", boss.pk))
        assert page.status_code == 200
        assert boss.password not in page.content.decode()

    def test_who_keeps_the_groups_also_says_who_is_in_them(self, clerk, ana):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "change_group")

        self.save(clerk, ana, groups=[group.pk])

        assert list(group.user_set.all()) == [ana]

    def test_who_keeps_the_groups_joins_none_with_more_rights(self, clerk):
        group = Group.objects.create(name="admins")
        group.permissions.add(Permission.objects.get(codename="change_approval"))
        self.allow(clerk, "change_group", "view_group")
        clerk = User.objects.get(pk=clerk.pk)
        sent = {
            "name": "admins",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(clerk.pk),
        }

        assert self.save(clerk, clerk, groups=[group.pk]).status_code == 302
        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 403

        assert not clerk.groups.exists()
        sent["name"] = "finance"
        finance = Group.objects.create(name="finance")
        as_person(clerk).post(address(Group, "change", finance.pk), sent)
        assert list(clerk.groups.all()) == [finance]

    def test_who_keeps_the_groups_gives_them_no_permissions(self, clerk):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "change_group", "view_group")
        everything = list(Permission.objects.values_list("pk", flat=True))
        forms = {"User_groups-TOTAL_FORMS": "0", "User_groups-INITIAL_FORMS": "0"}
        sent = {"name": "accounts", "permissions": everything, **forms}

        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 302

        group.refresh_from_db()
        assert (group.name, group.permissions.count()) == ("accounts", 0)

    def test_members_are_not_changed_by_those_who_may_only_look_at_groups(self, clerk, ana):
        group = Group.objects.create(name="finance")
        self.allow(clerk, "view_group")
        sent = {
            "name": "finance",
            "User_groups-TOTAL_FORMS": "1",
            "User_groups-INITIAL_FORMS": "0",
            "User_groups-0-user": str(ana.pk),
        }

        assert as_person(clerk).post(address(Group, "change", group.pk), sent).status_code == 403
        assert not group.user_set.exists()

    def test_a_superuser_gives_all_of_them(self, olga, ana):
        group = Group.objects.create(name="finance")
        permission = Permission.objects.get(codename="view_approval")
        rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": [permission.pk]}

        assert self.save(olga, ana, groups=[group.pk], **rights).status_code == 302

        ana.refresh_from_db()
        assert ana.is_staff
        assert ana.is_superuser
        assert list(ana.groups.all()) == [group]
        assert list(ana.user_permissions.all()) == [permission]
