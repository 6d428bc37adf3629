"""Thousands of hostile bodies, tokens and addresses: each is refused, or taken for what it is.

`HOSTILE_CASES=20000` sends that many bodies and tokens, and a quarter as many addresses.
"""

import json
import os
import random
from collections import Counter
from itertools import islice
from urllib.parse import urlsplit

import pytest
import requests
from urllib3.util import parse_url

from approvals import identity
from approvals.google.addresses import BadCallbackUrl, CallbackAddress
from approvals.identity import Keys, Rejected, service_account
from approvals.models import Approval, Event
from approvals.models.content import pairs_of
from approvals.schemas import ApprovalIn
from countersign.strict_json import BadBody, read_json
from tests.approvals.calling import URL
from tests.approvals.hostile import bodies, payloads, texts, tokens
from tests.approvals.test_callbacks import GOOD
from tests.approvals.tokens import ACCOUNT, AUDIENCE, certificates, id_token, stranger
from tests.factories import make_request

CASES = int(os.environ.get("HOSTILE_CASES", "400"))
SEED = 20261121
KEPT = ("title", "type", "summary", "requested_by")


def body_in_full():
    """A registration with something in every field."""
    return make_request(
        summary="The **usual** hotel.",
        links=[{"label": "Invoice", "url": "https://files.example/4711.pdf"}],
        options=[{"value": "approved", "label": "Approve", "consequence": "It is paid"}],
        stages=[],
        votes_needed=1,
        comment="on_reject",
        expires_in=86400,
        on_expiry="expired",
        priority="normal",
        form={"type": "object", "properties": {"amount": {"type": "number", "minimum": 0}}},
        prefill={"amount": 3},
        type="",
    )


def verdict(raw):
    """What has to be said of a body, as far as it can be known without a database."""
    try:
        return ApprovalIn.model_validate(read_json(raw))
    except (BadBody, ValueError):
        return None


class TestBodies:
    @pytest.fixture(autouse=True)
    def _not_counted(self, settings):
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

    @pytest.mark.timeout(1800)
    def test_each_is_refused_in_words_or_kept_as_it_was_sent(self, api):
        seen: Counter[object] = Counter()
        for raw in islice(bodies(body_in_full, random.Random(SEED)), CASES):
            before = Approval.objects.count()
            response = api.post(URL, raw)
            seen[response.status_code] += 1
            stored = Approval.objects.count() - before
            expected = verdict(raw)

            if response.status_code in {200, 201}:
                assert expected is not None, raw[:300]
                self.is_kept(Approval.objects.get(pk=response.json()["id"]), expected)
            else:
                assert response.status_code in {400, 409, 413, 422}, (response.status_code, raw)
                assert list(response.json()) == ["detail"]
                assert stored == 0

        assert {201, 400, 422} <= set(seen), seen
        assert Event.objects.count() == Approval.objects.count()

    def is_kept(self, approval, sent):
        """Neither database has changed a letter, whatever it was sent."""
        for name in KEPT:
            assert getattr(approval, name) == getattr(sent, name), name
        kept = sent.model_dump(mode="json")
        assert approval.fields == json.loads(json.dumps(pairs_of(kept["fields"])))
        assert (approval.form, approval.prefill) == (kept["form"], kept["prefill"])


class TestTokens:
    @pytest.mark.timeout(600)
    def test_none_is_accepted_and_all_of_them_cost_one_fetch_of_keys(self, monkeypatch):
        fetched = []
        keys = Keys(lambda: fetched.append(1) or certificates())
        monkeypatch.setattr(identity, "google_keys", keys)
        good, chance = id_token(), random.Random(SEED)
        others = [id_token(email="boss@example.com"), id_token(stranger()), id_token(aud="x")]
        assert service_account(good, AUDIENCE) == ACCOUNT

        for token in islice(tokens(good, lambda: chance.choice(others), chance), CASES):
            with pytest.raises(Rejected):
                service_account(token, AUDIENCE)

        assert len(fetched) == 1


class TestAddresses:
    def test_what_is_accepted_leads_to_google_however_it_is_read(self, settings):
        settings.WORKFLOWS_EMULATOR_HOST = ""
        alphabet = "abz019-_.:/@\\?#%&= \t\r\n\x00é\u2024\uff0f\u3002"
        seen: Counter[object] = Counter()
        for url in islice(texts(GOOD, alphabet, random.Random(SEED)), max(1250, CASES // 4)):
            try:
                address = CallbackAddress.parse(url)
            except BadCallbackUrl:
                seen["refused"] += 1
                continue
            seen["accepted"] += 1
            assert address.url == url
            sent = requests.Request("POST", url).prepare().url
            assert sent == url
            for host in (urlsplit(url).hostname, parse_url(sent).host):
                assert host == "workflowexecutions.googleapis.com"
            assert parse_url(sent).port is None
            assert parse_url(sent).path == urlsplit(url).path
            assert parse_url(sent).auth is None

        assert min(seen.values()) > 100, seen

    def test_no_text_that_wants_to_be_code_is_an_address(self):
        for text in payloads():
            for url in (text, f"{GOOD}{text}", GOOD.replace("expense", text)):
                with pytest.raises(BadCallbackUrl):
                    CallbackAddress.parse(url)
