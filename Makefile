# Needs Python 3.11 or newer and make. Everything else goes into .venv, from requirements/*.txt, by hash.

PYTHON ?= python3
PG ?= 18
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test check lock clean

run: .venv/service
	@test -e .env || cp .env.example .env
	@exec images dev

test: .venv/development
	PG=$(PG) python -m pytest -n 2 $(ARGS)

check: .venv/development
	ruff check
	ruff format --check
	mypy
	shellcheck entrypoint.sh .ci/run
	hadolint Dockerfile
	images schema check

lock: .venv/development
	uv pip compile $(LOCK) pyproject.toml -o requirements/service.txt
	uv pip compile $(LOCK) --group embedded -c requirements/service.txt -o requirements/embedded.txt
	uv pip compile $(LOCK) --group development -c requirements/service.txt -c requirements/embedded.txt \
		-o requirements/development.txt

clean:
	rm -rf .venv .data .mypy_cache .pytest_cache .ruff_cache

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade
INSTALL = python -m pip install --quiet --disable-pip-version-check

.venv/service: requirements/service.txt requirements/embedded.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --require-hashes -r requirements/service.txt -r requirements/embedded.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/development: .venv/service requirements/development.txt
	$(INSTALL) --require-hashes -r requirements/development.txt
	@touch $@
