"""All pages: who may open them, what every answer carries, what errors say."""

import re
from uuid import uuid4

from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from approvals.models import Approval, Vote
from approvals.trouble import unavailable
from approvals.views import csrf_failure
from tests.approvals.reading import as_person, counts, pages, send, text_of
from tests.factories import make_approval, make_staff, make_user


class TestAccess:
    def test_without_signing_in_every_page_leads_to_the_sign_in(self, client, approval):
        for url in pages(approval).values():
            response = client.get(url)

            assert response.status_code == 302
            assert response["Location"] == f"/sign-in/?next={url}"

    def test_the_other_pages_lead_there_too(self, client, approval):
        for url in (
            "/profile/",
            "/bulk/",
            "/bulk/confirm/",
            f"{approval.get_absolute_url()}hand-over/",
        ):
            for response in (client.get(url), client.post(url)):
                assert response.status_code in {302, 405}
                if response.status_code == 302:
                    assert response["Location"].startswith("/sign-in/?next=")

    def test_people_who_may_read_it_see_it(self, approval, ana, eva, db):
        for person in (ana, eva, make_staff()):
            assert as_person(person).get(approval.get_absolute_url()).status_code == 200

    def test_strangers_find_nothing_whether_it_exists_or_not(self, approval):
        stranger = as_person(make_user("sam@example.com"))

        for pk in (approval.pk, uuid4()):
            for name in ("detail", "receipt"):
                assert stranger.get(reverse(f"approvals:{name}", args=[pk])).status_code == 404
            decision = {"outcome": "approved", "revision": 1}
            url = reverse("approvals:decide", args=[pk])
            assert stranger.post(url, decision).status_code == 404
        assert Vote.objects.count() == 0

    def test_the_title_is_not_told_to_strangers(self, approval):
        stranger = as_person(make_user("sam@example.com"))

        response = stranger.get(approval.get_absolute_url())

        assert approval.title not in response.content.decode()

    def test_a_disabled_person_is_out_with_the_next_click(self, approval, ana):
        client = as_person(ana)
        ana.is_active = False
        ana.save()

        assert client.get(approval.get_absolute_url()).status_code == 302

    def test_get_and_head_change_nothing(self, approval, ana, eva):
        before = counts()
        urls = [*pages(approval).values(), reverse("approvals:decide", args=[approval.pk])]
        for person in (ana, eva, make_staff()):
            client = as_person(person)
            for url in urls:
                query = {"outcome": "approved", "revision": "1"}
                client.get(url, query)
                client.head(url, query)

        approval.refresh_from_db()
        assert approval.status == "pending"
        assert counts() == before

    def test_deciding_by_get_leads_to_the_page(self, approval, ana):
        response = as_person(ana).get(reverse("approvals:decide", args=[approval.pk]))

        assert (response.status_code, response["Location"]) == (302, approval.get_absolute_url())

    def test_other_methods_are_not_allowed(self, approval, ana):
        client = as_person(ana)

        for url in pages(approval).values():
            assert client.post(url).status_code == 405
            assert client.delete(url).status_code == 405

    def test_a_forged_form_is_refused(self, approval, ana):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ana)

        assert send(client, approval).status_code == 403
        assert Approval.objects.get().status == "pending"


class TestHeaders:
    def test_every_answer_carries_them(self, approval, ana):
        client = as_person(ana)
        urls = [*pages(approval).values(), "/nowhere/", "/sign-in/"]

        for url in urls:
            response = client.get(url)

            assert "no-store" in response["Cache-Control"]
            assert response["X-Frame-Options"] == "DENY"
            assert response["Referrer-Policy"] == "same-origin"
            policy = response["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy

    def test_no_page_has_inline_script_or_style(self, approval, ana):
        client = as_person(ana)
        send(client, approval)

        waiting = make_approval(
            form={"type": "object", "properties": {"a": {"type": "string", "enum": ["b", "c"]}}},
            supersedes=str(approval.pk),
        )
        more = ["/profile/", "/", f"{waiting.get_absolute_url()}hand-over/"]
        for url in [*pages(approval).values(), *pages(waiting).values(), *more, "/nowhere/"]:
            body = client.get(url).content.decode()
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", body)


class TestSignIn:
    def test_by_address_in_any_case_and_on_to_the_page_asked_for(self, client, approval, ana):
        url = approval.get_absolute_url()
        form = {"username": "ANA@example.com", "password": "demo", "next": url}

        assert client.post("/sign-in/", form)["Location"] == url

    def test_a_wrong_password_says_so_and_keeps_the_address(self, client, ana):
        response = client.post("/sign-in/", {"username": "ana@example.com", "password": "no"})

        assert "do not match" in text_of(response)
        assert 'value="ana@example.com"' in response.content.decode()

    def test_it_never_leads_to_another_site(self, client, ana):
        form = {"username": ana.email, "password": "demo", "next": "https://evil.example/"}

        assert client.post("/sign-in/", form)["Location"] == "/"

    def test_signing_out_takes_a_form(self, ana):
        client = as_person(ana)

        assert client.get("/sign-out/").status_code == 405
        assert client.post("/sign-out/")["Location"] == "/sign-in/"
        assert client.get("/").status_code == 302


class TestErrorPages:
    def test_not_found_is_calm_and_leads_home(self, ana):
        response = as_person(ana).get("/nowhere/")

        assert response.status_code == 404
        assert "We could not find that page" in text_of(response)
        assert 'href="/"' in response.content.decode()

    def test_without_a_database_what_was_typed_is_shown_but_no_password(self, rf):
        posted = {
            "comment": "my long reasons",
            "outcome": "rejected",
            "password": "secret1",
            "old_password2": "secret2",
            "csrfmiddlewaretoken": "secret3",
            "revision": "7",
        }
        response = unavailable(rf.post("/approvals/x/decide/", posted))

        assert response.status_code == 503
        assert "We could not tell whether this was saved" in text_of(response)
        assert "my long reasons" in text_of(response)
        assert "Rejected" in text_of(response)
        assert "secret" not in response.content.decode()

    def test_without_a_database_fields_of_a_form_are_shown_whatever_they_are_called(self, rf):
        posted = {
            "form.revision": "typed one",
            "form.next_review": "typed two",
            "form.password_reset": "typed three",
        }
        response = unavailable(rf.post("/approvals/x/decide/", posted))

        shown = re.findall(r'<p class="typed"[^>]*>(.*?)</p>', response.content.decode())
        assert shown == list(posted.values())
        for name, text in posted.items():
            assert f'name="{name}" value="{text}"' in response.content.decode()

    def test_a_form_from_before_signing_in_again_shows_what_was_typed(self, rf):
        response = csrf_failure(rf.post("/x/", {"comment": "my reasons"}), reason="token")

        assert response.status_code == 403
        assert "my reasons" in text_of(response)
        assert "signed in again after opening it, or your browser blocks cookies" in text_of(
            response
        )

    def test_our_own_failure_needs_neither_request_nor_database(self):
        assert "Something broke on our side" in render_to_string("500.html")
        assert "We did not understand that" in render_to_string("400.html")
        assert "do not have access to this page" in render_to_string("403.html")
