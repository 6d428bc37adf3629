"""Saved views: searches under a name, on the server; shared, and one that the inbox opens with."""

import pytest
from django.http import QueryDict

from approvals.models import SavedView
from approvals.models.saved_view import MOST
from approvals.views.saved import ViewForm
from tests.approvals.reading import as_person, text_of
from tests.factories import make_approval, make_group

HOTELS = "tab=needs-me&q=hotel"


@pytest.fixture
def hotel(managers, eva):
    make_approval(title="Train to Porto", fields={})
    return make_approval(title="Hotel in Berlin")


def save(user, name="Hotels", query=HOTELS, **fields):
    return as_person(user).post("/views/", {"name": name, "query": query, **fields})


def view_of(user):
    return SavedView.objects.get(owner=user)


class TestSave:
    def test_a_search_is_kept_and_opened(self, hotel, ana):
        response = save(ana)

        assert (response.status_code, response["Location"]) == (303, f"/?{HOTELS}")
        body = as_person(ana).get(response["Location"]).content.decode()
        assert (
            f'<a class="view" href="/?{HOTELS.replace("&", "&amp;")}" aria-current="true">' in body
        )
        assert "Save this search" not in body

    def test_it_is_offered_where_there_is_something_to_keep(self, hotel, ana):
        client = as_person(ana)

        assert "Save this search" not in text_of(client.get("/"))
        assert "Save this search" in text_of(client.get("/?q=hotel"))
        assert "Save this search" in text_of(client.get("/?sort=newest"))

    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ("q=hotel&after=1&page=2", HOTELS),
            ("sort=due&q=hotel", HOTELS),
            ("tab=attention&q=hotel", HOTELS),
            (
                "tab=decided&state=soon&priority=huge&outcome=rejected",
                "tab=decided&outcome=rejected",
            ),
            ("javascript:alert(1)//?q", "tab=needs-me"),
        ],
    )
    def test_only_what_the_inbox_understands_is_kept(self, hotel, ana, query, kept):
        save(ana, query=query)

        assert view_of(ana).query == kept

    def test_a_name_is_needed_and_one_has_it_once(self, hotel, ana, ben):
        save(ana)

        for name, words in (("", "Please give it a name"), ("Hotels", "of this name already")):
            response = save(ana, name=name, query="tab=needs-me&q=train")
            assert response.status_code == 422
            assert words in text_of(response)
            assert 'value="tab=needs-me&amp;q=train"' in response.content.decode()
        assert save(ben).status_code == 303

    def test_there_is_a_most(self, hotel, ana):
        SavedView.objects.bulk_create(
            SavedView(owner=ana, name=f"View {n}", query=HOTELS) for n in range(MOST)
        )

        response = save(ana)

        assert response.status_code == 422
        assert f"You have {MOST} views" in text_of(response)

    def test_one_that_is_too_long_is_refused(self, hotel, ana):
        long = f"q={'%C3%BC' * 200}"

        response = save(ana, query=long)

        assert response.status_code == 422
        assert "too long" in text_of(response)

    def test_two_clicks_at_once_make_one_and_the_other_is_told(self, hotel, ana):
        posted = QueryDict("name=Hotels")
        forms = [ViewForm(posted, user=ana) for _ in range(2)]
        assert all(form.is_valid() for form in forms)

        assert [bool(form.kept(HOTELS)) for form in forms] == [True, False]

        assert "at the same moment" in str(forms[1].errors)
        assert SavedView.objects.count() == 1


class TestOpen:
    def test_the_inbox_opens_with_the_default_and_shows_all_by_a_link(self, hotel, ana):
        save(ana, is_default="on")
        client = as_person(ana)

        said = text_of(client.get("/"))
        assert "Hotel in Berlin" in said
        assert "Train to Porto" not in said
        assert '<a class="view" href="?tab=needs-me"' in client.get("/").content.decode()
        assert "Train to Porto" in text_of(client.get("/?tab=needs-me"))

    def test_there_is_one_default(self, hotel, ana):
        save(ana, is_default="on")
        save(ana, name="Trains", query="q=train", is_default="on")

        assert SavedView.objects.get(is_default=True).name == "Trains"
        assert "Train to Porto" in text_of(as_person(ana).get("/"))

    def test_a_colleagues_default_is_not_mine(self, hotel, ana, ben):
        save(ana, is_default="on", group=ana.groups.get().pk)

        assert "Train to Porto" in text_of(as_person(ben).get("/"))


class TestShare:
    def test_colleagues_of_the_group_may_open_it_and_nothing_else(self, hotel, ana, ben, eva):
        save(ana, group=ana.groups.get().pk)
        view = view_of(ana)

        for path in ("/", "/views/"):
            assert "Hotels" in text_of(as_person(ben).get(path))
            assert "Hotels" not in text_of(as_person(eva).get(path))
        assert "Ana Almeida, with managers" in text_of(as_person(ben).get("/views/"))
        for person in (ben, eva):
            client = as_person(person)
            assert client.post(f"/views/{view.pk}/", {"name": "Mine"}).status_code == 404
            assert client.post(f"/views/{view.pk}/remove/").status_code == 404
        assert view_of(ana).name == "Hotels"

    def test_it_shows_each_person_what_is_theirs(self, hotel, ana, eva):
        save(ana, group=ana.groups.get().pk)

        assert "Hotel in Berlin" not in text_of(as_person(eva).get(f"/?{HOTELS}"))

    def test_with_a_group_of_ones_own_alone(self, hotel, ana):
        response = save(ana, group=make_group("others").pk)

        assert response.status_code == 422
        assert "Please choose a group of your own" in text_of(response)


class TestChange:
    def test_rename_share_and_make_it_the_default(self, hotel, ana):
        save(ana)
        group, view = ana.groups.get(), view_of(ana)

        data = {"name": "Beds", "group": group.pk, "is_default": "on"}
        response = as_person(ana).post(f"/views/{view.pk}/", data)

        assert response["Location"] == "/views/"
        view = view_of(ana)
        assert (view.name, view.group, view.is_default) == ("Beds", group, True)
        assert view.query == HOTELS

    def test_what_cannot_be_saved_stays_typed(self, hotel, ana):
        save(ana)
        save(ana, name="Trains", query="q=train")
        view = SavedView.objects.get(name="Trains")

        response = as_person(ana).post(f"/views/{view.pk}/", {"name": "Hotels"})

        assert response.status_code == 422
        assert "of this name already" in text_of(response)
        assert SavedView.objects.filter(name="Trains").exists()

    def test_remove(self, hotel, ana):
        save(ana)

        client = as_person(ana)
        response = client.post(f"/views/{view_of(ana).pk}/remove/")

        assert response.status_code == 303
        assert "“Hotels” is removed." in client.get("/views/").content.decode()
        assert not SavedView.objects.exists()

    def test_by_get_nothing_is_changed(self, hotel, ana):
        save(ana)
        view = view_of(ana)

        for path in (f"/views/{view.pk}/", f"/views/{view.pk}/remove/"):
            assert as_person(ana).get(path).status_code == 405
        assert view_of(ana) == view
