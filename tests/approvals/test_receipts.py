"""A receipt is true wherever it is checked, and whatever is changed in it is found."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from approvals.checks import receipts_can_be_signed
from approvals.models import Approval
from approvals.receipts import BadReceipt, check_receipt, make_receipt
from approvals.signing import BadKey, SigningKey, accepted_keys, encoded, key_set, keys_of
from tests.approvals.reading import as_person
from tests.factories import make_approval, make_user

KEY = SigningKey(bytes(range(32)))


@pytest.fixture
def decided(approval, ana):
    approval.decide("approved", by=ana, revision=1, comment="Fine, pay it")
    return Approval.objects.get()


@pytest.fixture
def receipt(decided, settings):
    settings.RECEIPT_KEY = encoded(KEY.seed)
    return make_receipt(decided)


def checked(receipt):
    return check_receipt(json.dumps(receipt), [KEY.public])


def places(value, path=()):
    """Every place in a JSON value that has a text, number, boolean or null."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in pairs:
            yield from places(inner, (*path, name))
    else:
        yield path


class TestMake:
    def test_it_says_what_was_decided_on_what_and_how_far_it_has_come(self, receipt, decided):
        vote = decided.votes.get()

        assert receipt["approval"]["content_sha256"] == decided.content_sha256
        assert receipt["votes"][0]["content_sha256"] == vote.content_sha256
        assert receipt["votes"][0]["comment"] == "Fine, pay it"
        assert receipt["outcome"]["decision_id"] == str(decided.delivery.pk)
        assert receipt["outcome"]["decided_by"] == "ana@example.com"
        assert receipt["record"] == {"lines": 3, "head_sha256": decided.record_head}
        assert receipt["delivery"]["state"] == "queued"
        assert checked(receipt) == receipt

    def test_of_an_open_approval_it_says_so(self, approval):
        receipt = make_receipt(approval)

        assert receipt["outcome"] is receipt["delivery"] is None
        assert check_receipt(json.dumps(receipt), accepted_keys()) == receipt

    def test_how_the_file_is_laid_out_does_not_matter(self, receipt):
        turned = dict(reversed(receipt.items()))

        assert check_receipt(json.dumps(turned, indent=8), [KEY.public]) == receipt


class TestCheck:
    @pytest.mark.parametrize(
        ("part", "name", "words"),
        [
            ("approval", "title", "The approval was changed"),
            ("approval", "content_sha256", "The approval was changed"),
            ("outcome", "value", "The outcome was changed"),
            ("record", "head_sha256", "The end of the record was changed"),
            ("delivery", "state", "The delivery was changed"),
            ("digests", "votes", "The signature does not fit"),
            ("signature", "value", "The signature"),
        ],
    )
    def test_the_part_that_was_changed_is_named(self, receipt, part, name, words):
        receipt[part][name] = "0" * 64

        with pytest.raises(BadReceipt, match=words):
            checked(receipt)

    def test_a_changed_vote_is_named(self, receipt):
        receipt["votes"][0]["outcome"] = "rejected"

        with pytest.raises(BadReceipt, match="The votes were changed"):
            checked(receipt)

    def test_there_is_no_place_whose_change_is_not_found(self, receipt):
        text = json.dumps(receipt)
        found = list(places(receipt))
        assert len(found) > 40
        for path in found:
            changed = json.loads(text)
            inner = changed
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = "changed"
            with pytest.raises(BadReceipt):
                checked(changed)

    def test_nothing_can_be_added_or_left_out(self, receipt):
        for name in receipt:
            with pytest.raises(BadReceipt):
                checked({key: value for key, value in receipt.items() if key != name})
        with pytest.raises(BadReceipt, match="not signed: note"):
            checked({**receipt, "note": "paid twice"})
        with pytest.raises(BadReceipt, match="comes twice"):
            check_receipt('{"type": 1, ' + json.dumps(receipt)[1:], [KEY.public])

    def test_a_vote_taken_from_another_receipt_is_found(self, receipt, managers, ben):
        other = make_approval(title="Another")
        other.decide("rejected", by=ben, revision=1, comment="No")
        donor = make_receipt(Approval.objects.get(pk=other.pk))

        for part in ("votes", "outcome", "digests", "signature"):
            with pytest.raises(BadReceipt):
                checked({**receipt, part: donor[part]})

    def test_who_signs_with_a_key_of_their_own_is_named(self, receipt, decided, settings):
        settings.RECEIPT_KEY = encoded(bytes(32))
        forged = make_receipt(decided)

        with pytest.raises(BadReceipt, match="is none of those accepted"):
            checked(forged)
        forged["signature"] |= {"key": KEY.public.id, "public_key": encoded(KEY.public.raw)}
        with pytest.raises(BadReceipt, match="The signature does not fit"):
            checked(forged)

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"type": "countersign-receipt", "version": 2}', "\x00", "[" * 100_000],
        ids=range(6),
    )
    def test_what_is_no_receipt_is_refused(self, text):
        with pytest.raises(BadReceipt):
            check_receipt(text, [KEY.public])

    @pytest.mark.parametrize("value", ["%", "", "é", 5, None, [], {}, "A" * 86])
    def test_what_is_no_signature_is_refused(self, receipt, value):
        receipt["signature"]["value"] = value

        with pytest.raises(BadReceipt):
            checked(receipt)


class TestKeys:
    def test_receipts_of_earlier_keys_are_accepted_after_a_rotation(self, decided, settings):
        settings.RECEIPT_KEY = ""
        first = json.dumps(make_receipt(decided))  # by SECRET_KEY
        settings.RECEIPT_KEY = encoded(KEY.seed)
        second = json.dumps(make_receipt(decided))
        settings.RECEIPT_KEY = encoded(bytes(32))
        third = json.dumps(make_receipt(decided))
        settings.RECEIPT_PUBLIC_KEYS = [encoded(KEY.public.raw)]

        for text in (first, second, third):
            assert check_receipt(text, accepted_keys())

        settings.RECEIPT_PUBLIC_KEYS = []
        with pytest.raises(BadReceipt):
            check_receipt(second, accepted_keys())

    def test_a_secret_key_that_was_replaced_is_accepted_as_long_as_it_is_a_fallback(
        self, decided, settings
    ):
        text = json.dumps(make_receipt(decided))
        settings.SECRET_KEY, old = "another", settings.SECRET_KEY

        with pytest.raises(BadReceipt):
            check_receipt(text, accepted_keys())
        settings.SECRET_KEY_FALLBACKS = [old]
        assert check_receipt(text, accepted_keys())

    def test_what_is_published_says_nothing_secret_and_can_be_read_back(self, settings):
        settings.RECEIPT_KEY = encoded(KEY.seed)
        published = key_set(accepted_keys())

        assert encoded(KEY.seed) not in json.dumps(published)
        assert keys_of(published) == accepted_keys()

    @pytest.mark.parametrize("key", ["short", "%%%", "é", encoded(bytes(33)), "A"])
    def test_a_key_that_is_none_is_refused(self, settings, key):
        settings.RECEIPT_KEY = key
        with pytest.raises(BadKey):
            accepted_keys()

    def test_a_deployment_says_so_before_it_starts(self, settings):
        assert receipts_can_be_signed(None) == []
        settings.RECEIPT_PUBLIC_KEYS = ["short"]

        (error,) = receipts_can_be_signed(None)

        assert error.id == "approvals.E004"

    @pytest.mark.parametrize("text", [[], {}, {"keys": 5}, {"keys": [{"crv": "Ed25519"}]}])
    def test_a_key_set_that_is_none_is_refused(self, text):
        with pytest.raises(BadKey):
            keys_of(text)


class TestCommand:
    @pytest.fixture
    def file(self, tmp_path, receipt):
        path = tmp_path / "receipt.json"
        path.write_text(json.dumps(receipt), encoding="utf-8")
        return path

    def test_a_receipt_is_checked_without_a_database(self, file, django_assert_num_queries):
        out = StringIO()
        with django_assert_num_queries(0):
            call_command("verify_record", receipt=file, stdout=out)

        assert out.getvalue().startswith("The receipt is whole: “Expense of 1240 EUR")
        assert KEY.public.id in out.getvalue()

    def test_with_the_published_keys_as_well(self, file, tmp_path, settings):
        keys = tmp_path / "keys.json"
        keys.write_text(json.dumps(key_set([KEY.public])), encoding="utf-8")
        settings.RECEIPT_KEY = ""
        with pytest.raises(CommandError, match="none of those accepted"):
            call_command("verify_record", receipt=file)

        call_command("verify_record", receipt=file, keys=keys, stdout=StringIO())

    def test_what_was_changed_is_named_and_the_exit_code_is_1(self, file):
        file.write_text(file.read_text("utf-8").replace("Fine, pay it", "Fine, pay all"), "utf-8")

        with pytest.raises(CommandError, match="The votes were changed") as error:
            call_command("verify_record", receipt=file)
        assert error.value.returncode == 1

    def test_files_that_cannot_be_read_are_named(self, file, tmp_path):
        with pytest.raises(CommandError, match="nowhere"):
            call_command("verify_record", receipt=tmp_path / "nowhere")
        with pytest.raises(CommandError, match="public keys cannot be read"):
            call_command("verify_record", receipt=file, keys=tmp_path / "nowhere")
        (tmp_path / "latin").write_bytes(b"\xff\xfe")
        with pytest.raises(CommandError, match="cannot be read"):
            call_command("verify_record", receipt=tmp_path / "latin")

    def test_the_keys_are_printed_and_a_new_one_is_made(self, settings):
        out, new, err = StringIO(), StringIO(), StringIO()
        call_command("receipt_keys", new=True, stdout=new, stderr=err)
        settings.RECEIPT_KEY = new.getvalue().strip()

        call_command("receipt_keys", stdout=out)

        assert json.loads(out.getvalue()) == key_set(accepted_keys())
        assert accepted_keys()[0].jwk["x"] in err.getvalue()

    def test_a_bad_key_is_explained(self, settings):
        settings.RECEIPT_KEY = "short"
        with pytest.raises(CommandError, match="receipt_keys --new"):
            call_command("receipt_keys")


class TestPages:
    def test_whoever_may_read_it_downloads_it(self, decided, ben):
        url = reverse("approvals:receipt_file", args=[decided.pk])

        response = as_person(ben).get(url)

        assert check_receipt(response.content.decode(), accepted_keys())
        assert f"receipt-{decided.pk}.json" in response["Content-Disposition"]
        assert as_person(make_user("stranger@example.com")).get(url).status_code == 404

    def test_receipt_and_approval_have_the_link(self, decided, ana):
        for page in ("detail", "receipt"):
            body = as_person(ana).get(reverse(f"approvals:{page}", args=[decided.pk])).content
            assert reverse("approvals:receipt_file", args=[decided.pk]) in body.decode()

    def test_the_keys_are_for_everybody(self, client, db):
        assert client.get(reverse("approvals:receipt_keys")).json() == key_set(accepted_keys())
