"""The API as a workflow calls it, and its one shape of a refusal."""

import json

URL = "/api/v1/approvals"


class Api:
    """The test client as a workflow uses it."""

    def __init__(self, client, token, caller=None):
        self.client, self.token, self.caller = client, token, caller

    def post(self, path, body=None, **headers):
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        named = {"Authorization": f"Bearer {self.token}", **headers}
        return self.client.post(path, text, content_type="application/json", headers=named)

    def get(self, path):
        return self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})

    def delete(self, path):
        return self.client.delete(path, headers={"Authorization": f"Bearer {self.token}"})


def problem(response):
    """The one error shape: {"detail": a sentence, or a list that names fields}."""
    body = response.json()
    assert list(body) == ["detail"]
    detail = body["detail"]
    if isinstance(detail, list):
        return {"/".join(map(str, entry["loc"][1:])): entry["msg"] for entry in detail}
    assert detail.endswith((".", ","))
    return detail
