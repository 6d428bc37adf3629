"""What the worker keeps of what it did, in English: pages read it, so that they know it as well."""

from countersign.phrases import phrase

# Why a request was closed whose workflow has ended, by the state that Google names.
ENDED_FIRST = {
    "SUCCEEDED": phrase("The workflow finished without waiting for the answer."),
    "FAILED": phrase("The workflow failed before the request was answered."),
    "CANCELLED": phrase("The workflow was cancelled before the request was answered."),
    "GONE": phrase("Google does not know the workflow's execution any more."),
}

# Why a notice is sent again, or no more.
ASKED_FOR = phrase("Asked for by %(who)s.")
PUT_ASIDE = phrase("Put aside by %(who)s: %(reason)s")
GIVEN_UP = phrase("%(why)s Given up after a day.")
UNWANTED = phrase("%(who)s wants to be told nothing.")
NOT_WRITTEN = phrase("It could not be written; the log of the worker says why.")
PERHAPS_SENT = phrase(
    "The worker died while it sent this: it may have arrived. Look, and send it again."
)
# Why nobody needs a notice any more.
CANNOT_SIGN_IN = phrase("%(who)s cannot sign in any more.")
SWITCHED_OFF = phrase("The channel was switched off.")
CLOSED_BEFORE = phrase("It was answered or closed before this was sent.")
NOT_ASKED = phrase("%(who)s has nothing to answer there any more.")
TAKEN_BACK = phrase("The answer was taken back.")
ALL_WELL = phrase("All is well again.")
ARRIVED = phrase("It arrived, or came too late, before this was sent.")
ALL_ANSWERED = phrase("All of it was answered before the summary was sent.")
