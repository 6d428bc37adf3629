# One command each; `make` alone lists them. Everything is installed into .venv, data is kept in var/.

PY := .venv/bin/python
LISTS := requirements.txt requirements-emulator.txt
DEV_LISTS := $(LISTS) requirements-dev.txt
TEMPLATES = $$(find templates -name '*.html')
# `uv pip compile` keeps the pins that still fit; `make lock UPGRADE=--upgrade` takes the newest.
LOCK := $(PY) -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock' $(UPGRADE)
# What a deployment sets, for Django's deployment check. Nothing of it is real.
PRODUCTION := env -u DEBUG SECRET_KEY=$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(50))') \
	BASE_URL=https://approvals.example.com ALLOWED_HOSTS=approvals.example.com \
	DATABASE_URL=postgres://inbox@db.example.com/inbox GOOGLE_CLOUD_PROJECT=example
DEVELOPMENT := env DEBUG=1 DATABASE_URL=sqlite://:memory:

.DEFAULT_GOAL := help
.PHONY: help run deploy test check soak bench fix messages lock setup clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start web, worker and emulator with demo data; PORT, EMULATOR_PORT, DATA_DIR, DEMO_PASSWORD
	@.ci/setup $(LISTS)
	@$(PY) -m config.local

deploy: ## Deploy workflows/ to the emulator of the `make run` that is running
	@.ci/setup $(LISTS)
	@$(PY) -m config.local deploy

test: ## Run every test, on SQLite and on PostgreSQL; brings Chromium and PostgreSQL if missing
	@.ci/setup $(DEV_LISTS)
	@$(PY) -m tests

check: ## Format, lint, types, migrations, import direction, deployment check
	@.ci/setup $(DEV_LISTS)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/djade --check --target-version 5.2 $(TEMPLATES)
	$(DEVELOPMENT) $(PY) -m mypy .
	$(DEVELOPMENT) $(PY) manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	$(PY) -m pytest -q tests/test_layers.py

soak: ## Kill, stop and sabotage everything while 10,000 are decided: hours; SOAK="siege --seed 7"
	@.ci/setup $(DEV_LISTS)
	@$(PY) -m tests.soak $(SOAK)

bench: ## Measure decisions, requests and the emulator beside their floors, in about fifteen minutes
	@.ci/setup $(DEV_LISTS)
	@$(PY) -m benchmarks

fix: ## Format, and mend what the linters can mend
	@.ci/setup $(DEV_LISTS)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	.venv/bin/djade --target-version 5.2 $(TEMPLATES)

messages: ## Bring the catalogues of languages up to date, and compile them; lists what is untranslated
	@.ci/setup $(DEV_LISTS)
	@$(DEVELOPMENT) $(PY) -m tests.messages

lock: ## Compile requirements*.in to the pinned lists; UPGRADE=--upgrade for newer versions
	@.ci/setup $(DEV_LISTS)
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-emulator.in -o requirements-emulator.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt

setup: ## Make .venv with all packages; PYTHON chooses the interpreter (3.11 to 3.13)
	@.ci/setup $(DEV_LISTS)

clean: ## Remove what the other targets made, but not your data in var/
	rm -rf .venv build staticfiles .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
