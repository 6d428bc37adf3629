"""Google Cloud Workflows on one machine: the language, the HTTP API, callbacks and tokens."""
