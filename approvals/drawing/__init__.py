"""The drawing of a workflow: its source read into steps, what follows each answer, the picture.

Nothing in here asks the network or the database, and nothing raises for an odd source: sources
are strangers' texts, and who reads them is a person with a decision to take.
"""
