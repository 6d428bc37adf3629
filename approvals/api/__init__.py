"""The JSON API: programs register questions and settle outcomes, people's own programs answer.

A caller can do everything but answer; a person's token can
do nothing but read what waits for them and answer it.
"""

from ninja import NinjaAPI

from approvals.api import callers, votes, waiting
from approvals.api.bodies import StrictJson
from approvals.api.errors import answer_with_sentences

api = NinjaAPI(
    title="Countersign",
    version="1",
    description="Register a question for people; settle its outcome. See docs/api.md."
    ' Every refusal is `{"detail": …}`: a sentence that says what to do, or for a 422 a list'
    " that names each field.",
    parser=StrictJson(),
    urls_namespace="api",
)
answer_with_sentences(api)
api.add_router("", callers.router)
api.add_router("", votes.router)
api.add_router("", waiting.router)
