"""How approvals are decided: the rules that the inbox and the tests of workflows share. Pure."""
