# The verbs of levante. `make` alone prints them.
# Nothing needs to be activated: every verb uses .venv, and makes it first where it is missing or old.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVICES := services
PACKAGES := http-core ws web client sessions devtools
HOST ?= 127.0.0.1
PORT ?= 8000
TYPED_SUBJECTS := floor_server levante_client levante_full_server levante_server orders parsers settings webapp webclient

.DEFAULT_GOAL := help
.PHONY: help setup new-service run test fuzz sanitize conformance soak lint types bench docs lock clean
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

help: ## print the verbs
	@echo "make VERB, where VERB is one of:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "  %-13s %s\n", $$1, $$2 }'

setup: ## make the environment in .venv; build and install the six packages (LEVANTE_PURE=1: without compiling)
	@$(PYTHON) scripts/bootstrap.py

new-service: ## NAME=shop: make services/shop with its database and first migration, and run its tests
	@$(PYTHON) scripts/bootstrap.py --for-name '$(NAME)'
	@$(BIN)/devtools new '$(NAME)' --into $(SERVICES)

run: ## NAME=shop: serve services/shop on http://127.0.0.1:8000 with autoreload; made first where it is missing
	@$(PYTHON) scripts/bootstrap.py --for-name '$(NAME)' --quiet
	@test -d '$(SERVICES)/$(NAME)' || $(BIN)/devtools new '$(NAME)' --into $(SERVICES)
	@exec $(BIN)/devtools runserver '$(SERVICES)/$(NAME)' --host $(HOST) --port $(PORT)

test: setup ## every test of the repository, the engines in both forms; ONLY="web client" takes some suites
	@$(BIN)/python scripts/test.py $(ONLY)

fuzz: SECONDS ?= 60
fuzz: setup ## the parsers, SECONDS=60 each group, two at a time; TARGET=h1-server takes one; SEED=, INPUT=file, KEEP=1
	@$(BIN)/python scripts/fuzz.py $(TARGET) --seconds $(SECONDS) \
		$(if $(SEED),--seed $(SEED)) $(if $(INPUT),--input '$(INPUT)') $(if $(KEEP),--keep)

sanitize: SECONDS ?= 600
sanitize: setup ## the engines built with AddressSanitizer and UBSan: their tests, then SECONDS=600 of fuzzing; TARGET=h1-server
	@$(BIN)/python scripts/sanitize.py --seconds $(SECONDS) $(if $(TARGET),--target $(TARGET)) $(if $(SEED),--seed $(SEED))

conformance: setup ## the Autobahn suite on our WebSockets, both ways: its core; PARTS="compression limits" takes longer
	@$(if $(PYTHON27),PYTHON27='$(PYTHON27)') $(BIN)/python scripts/conformance.py $(PARTS)

soak: MINUTES ?= 30
soak: setup ## one server asked for everything for MINUTES=30, lightly: it may not grow; then the long forms of the fault tests
	@$(BIN)/python scripts/soak.py --minutes $(MINUTES)
	@LEVANTE_LONG=1 $(BIN)/pytest -q tests/faults tests/test_faults_server.py tests/test_sessions_across_processes.py packages/sessions/tests/test_hardened.py

lint: setup ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy --strict over the packages, the scripts, the tests of the whole and the example service
	@$(BIN)/mypy $(PACKAGES:%=packages/%/src) scripts benchmarks/*.py $(TYPED_SUBJECTS:%=benchmarks/subjects/%.py)
	@$(BIN)/mypy tests
	@cd $(SERVICES)/storefront && MYPYPATH=src ../../$(BIN)/mypy --config-file ../../pyproject.toml src tests

bench: ## levante beside its peers, on $(PYTHON); ONLY="hello ws" PEERS="aiohttp granian" COUNT=callgrind choose
	@$(PYTHON) benchmarks/run.py --only '$(ONLY)' --peers '$(PEERS)' --count '$(or $(COUNT),auto)'

docs: setup ## build the book into build/docs
	@$(PYTHON) scripts/bootstrap.py --docs --quiet
	@LEVANTE_PURE=1 $(BIN)/sphinx-build -E -W -q -b html docs build/docs && echo "the book: build/docs/index.html"

lock: setup ## pin requirements/*.in anew, with hashes and without download addresses
	@$(BIN)/python scripts/lock.py

clean: ## remove what the verbs made, but for services and their data
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	@find packages benchmarks scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@find packages -name '*.egg-info' -type d -prune -exec rm -rf {} +
	@find packages -name build -type d -prune -exec rm -rf {} +
	@find packages \( -name '*.so' -o -name '*.pyd' -o -name '*.c' \) -type f -exec rm -f {} +
