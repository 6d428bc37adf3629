"""Workflows as authors test them: one that asks people, and one that pays at a ledger."""

LEDGER = "https://ledger.example/payments"
ASK = """
main:
  params: [input]
  steps:
    - ask:
        call: request_approval
        args:
          timeout: 86400
          request: ${input}
        result: decision
    - done: {return: "${decision.outcome}"}
"""
QUESTION = {"title": "Ship it?", "approvers": ["group:managers"]}
PAY = f"""
main:
  steps:
    - pay: {{call: http.post, args: {{url: {LEDGER}, body: {{amount: 5}}}}, result: paid}}
    - done: {{return: "${{paid.body}}"}}
"""
