"""Handing over to a colleague, and asking somebody else in place of who has left."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import formats, timezone

from approvals.models import Approval, Event
from tests.approvals.reading import as_person, decide, send, text_of
from tests.approvals.test_voting import stand_in
from tests.factories import make_approval, make_group, make_staff, make_user


@pytest.fixture
def asked(ana, eva):
    """Eva asks Ana by name."""
    return make_approval(approvers=["user:ana@example.com"])


@pytest.fixture
def zoe(db):
    return make_user("zoe@example.com", first="Zoe", last="Park")


def path(approval):
    return reverse("approvals:hand_over", args=[approval.pk])


def give(client, approval, to="zoe@example.com", reason="I am away"):
    return client.post(path(approval), {"to": to, "reason": reason})


class TestHandOver:
    def test_the_colleague_decides_and_i_am_asked_no_more(self, asked, ana, zoe):
        client = as_person(ana)
        assert "Your colleague decides, and you are no longer asked." in text_of(
            client.get(path(asked))
        )

        response = give(client, asked)

        assert response.status_code == 303
        page = client.get(response["Location"])
        assert "Zoe Park has it now." in page.content.decode()
        assert "Nothing is waiting for you" in text_of(client.get("/"))
        theirs = text_of(as_person(zoe).get(asked.get_absolute_url()))
        assert "Handed over by Ana Almeida: I am away" in theirs
        assert "Ana Almeida handed it over to Zoe Park I am away" in theirs
        assert send(as_person(zoe), asked).status_code == 303

    def test_who_is_away_is_named_with_who_stands_in(self, asked, ana, ben, zoe):
        absence = stand_in(zoe, ben, ends=3)
        client = as_person(ana)

        page = client.get(give(client, asked)["Location"]).content.decode()

        last = formats.date_format(timezone.localtime(absence.ends_at), "j F Y")
        assert f"Zoe Park is away until {last}, and Ben Okafor stands in." in page

    def test_to_whom_one_stands_in_for_it_would_come_back(self, asked, ana, zoe):
        stand_in(zoe, ana)

        response = as_person(ana).post(
            f"/approvals/{asked.pk}/hand-over/", {"to": zoe.email, "reason": "You know it"}
        )

        assert response.status_code == 422
        assert "it would come back to you" in text_of(response)
        assert asked.may_be_decided_by(ana)

    def test_a_whole_name_will_do(self, asked, ana, zoe):
        assert give(as_person(ana), asked, to="zoe  park").status_code == 303
        assert Event.objects.get(kind="handed_over").data["to"] == zoe.email

    @pytest.mark.parametrize("to", ["zoe", "ZOE", "z.park"])
    def test_a_first_name_or_the_beginning_of_an_address_will_do(self, asked, ana, zoe, to):
        zoe.email = "z.park@example.com"
        zoe.save()

        assert give(as_person(ana), asked, to=to).status_code == 303
        assert Event.objects.get(kind="handed_over").data["to"] == zoe.email

    def test_who_is_asked_through_a_group_reads_that_it_stays_asked(self, approval, ana, zoe, ben):
        client = as_person(ana)

        said = text_of(client.get(path(approval)))

        assert "You are in managers: everybody else in it can still decide too." in said
        give(client, approval)
        for person in (ana, ben, zoe):
            assert approval.title in text_of(as_person(person).get("/"))

    def test_active_people_are_suggested_but_neither_the_requester_nor_me(self, asked, ana, zoe):
        make_user("gone@example.com", is_active=False)

        body = as_person(ana).get(path(asked)).content.decode().partition("<main")[2]

        assert '<option value="zoe@example.com">Zoe Park</option>' in body
        for email in ("gone@example.com", "eva@example.com", "ana@example.com"):
            assert email not in body

    def test_typing_narrows_what_is_suggested(self, asked, ana, zoe):
        make_user("zora@example.com", first="Zora", last="Lane")

        body = as_person(ana).get(path(asked), {"to": "zo par"}).content.decode()

        assert "zoe@example.com" in body
        assert "zora@example.com" not in body

    @pytest.mark.parametrize(
        ("to", "why"),
        [
            ("", "Please choose a colleague"),
            ("nobody@example.com", "Nobody here has this name or address"),
            ("gone@example.com", "Nobody here has this name or address"),
            ("Double Name", "or several people do"),
            ("double", "or several people do"),
            ("eva@example.com", "asked for this, and cannot decide it"),
            ("ana@example.com", "Choose somebody else"),
        ],
    )
    def test_a_refusal_is_explained_and_what_was_typed_stays(self, asked, ana, to, why):
        make_user("gone@example.com", is_active=False)
        for n in range(2):
            make_user(f"double{n}@example.com", first="Double", last="Name")

        response = give(as_person(ana), asked, to=to)

        assert response.status_code == 422
        assert why in text_of(response)
        assert f'value="{to}"' in response.content.decode()
        assert 'value="I am away"' in response.content.decode()
        assert not Event.objects.filter(kind="handed_over").exists()

    def test_it_takes_a_reason(self, asked, ana, zoe):
        response = give(as_person(ana), asked, reason=" ")

        assert response.status_code == 422
        assert "Please say why" in text_of(response)
        assert 'value="zoe@example.com"' in response.content.decode()

    def test_only_who_may_decide_hands_over(self, asked, eva, zoe):
        for person in (eva, make_staff()):
            for response in (as_person(person).get(path(asked)), give(as_person(person), asked)):
                assert response.status_code == 403
                assert "Only somebody who may decide" in text_of(response)
        assert as_person(zoe).get(path(asked)).status_code == 404

    def test_what_is_settled_is_not_handed_over(self, asked, ana, zoe):
        decide(asked, by=ana)

        response = give(as_person(ana), asked)

        assert response.status_code == 409
        assert "Ana Almeida answered “Approved”" in text_of(response)


class TestReassign:
    def address(self, approval):
        return reverse("approvals:reassign", args=[approval.pk, approval.approvers.get().pk])

    def test_an_operator_asks_somebody_else_for_who_has_left(self, asked, ana, zoe):
        ana.is_active = False
        ana.save()
        olga = as_person(make_staff())
        assert self.address(asked) in olga.get(asked.get_absolute_url()).content.decode()
        assert "asked in place of Ana Almeida" in text_of(olga.get(self.address(asked)))

        response = olga.post(self.address(asked), {"to": "zoe@example.com", "reason": "She left"})

        assert response.status_code == 303
        said = text_of(as_person(zoe).get(asked.get_absolute_url()))
        assert "In place of Ana Almeida: She left" in said
        assert "gave it to Zoe Park in place of Ana Almeida" in said

    def test_it_takes_the_permission(self, asked, ana, eva, zoe):
        reader = make_user("rita@example.com")
        reader.user_permissions.add(Permission.objects.get(codename="view_approval"))

        for person in (ana, eva, reader):
            assert as_person(person).post(self.address(asked), {}).status_code == 403
            body = as_person(person).get(asked.get_absolute_url()).content.decode()
            assert "ask somebody else" not in body

    def test_the_requester_is_refused_here_too(self, asked, eva):
        response = as_person(make_staff()).post(
            self.address(asked), {"to": "eva@example.com", "reason": "x"}
        )

        assert response.status_code == 422
        assert "cannot decide it" in text_of(response)

    def test_an_operator_does_not_choose_herself(self, asked):
        response = as_person(make_staff()).post(
            self.address(asked), {"to": "olga@example.com", "reason": "x"}
        )

        assert response.status_code == 422
        assert "another operator must ask you" in text_of(response)
        assert str(asked.approvers.current().get()) == "user:ana@example.com"

    def test_what_is_settled_stays_as_it_is(self, asked, ana):
        decide(asked, by=ana)

        response = as_person(make_staff()).get(self.address(asked))

        assert response.status_code == 409
        assert Approval.objects.get().approvers.current().count() == 1

    def test_an_approver_of_another_request_is_not_found(self, asked, managers):
        other = make_approval()
        pk = other.approvers.get().pk

        olga = as_person(make_staff())
        assert olga.get(reverse("approvals:reassign", args=[asked.pk, pk])).status_code == 404

    def test_a_group_that_is_empty_is_replaced_by_a_person(self, db, eva, zoe):
        make_group("empty")
        approval = make_approval(approvers=["group:empty"])
        olga = as_person(make_staff())

        olga.post(self.address(approval), {"to": "zoe@example.com", "reason": "Nobody there"})

        assert approval.title in text_of(as_person(zoe).get("/"))
