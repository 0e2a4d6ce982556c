# What a developer types. Each target sets up what it needs in .venv, and nothing outside this folder;
# a second run installs nothing unless pyproject.toml changed.
#
#     make demo      the demonstration, on a simulated provider: no key, no network
#     make test      the tests, with branch coverage (ARGS="-k stores" for some of them)
#     make check     formatting, lint, types, import contracts
#     make bench     the benchmarks; they report and never gate
#     make apart     the tests of clients that cannot be beside others, in environments of their own
#     make local     the tests of the local endpoint, with torch, in an environment of their own
#     make local-compare  it beside `transformers serve`; writes docs/reference/local-compared.md (network)
#     make matrix    every SDK in every way to call it; writes docs/reference/clients.md (network)
#     make patchers  us beside tracers and mocks, in all orders (ARGS="sentry pook" for some; Unix, network)
#     make suites    the clients' own test suites, with us and without us (half an hour; ARGS="--alone requests" for one)
#     make vcr-suites  other projects' suites marked vcr, on pytest-recording and on ours (network)
#     make fuzz      the parsers against bytes of a fuzzer's making, ten minutes each (Linux)
#     make frameworks  agent frameworks, each in an environment of its own (ARGS="langchain dspy")
#     make examples  the cassettes of cassettes_examples/, recorded anew
#     make compare   cassettes beside those of vcrpy and its kin; writes docs/reference/cassettes-compared.md
#     make exports   what is exported for vcrpy, replayed by every vcrpy (network)
#     make clean     back to a fresh checkout
#
# PYTHON=/path/to/python names the interpreter (3.11 or newer); without it the first one found is taken.

BIN = .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN = $(BIN)/python -m
ARGS =

# Images set it, and then each of the interpreters that tests start compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test local local-compare check lint format types mypy pyright contracts bench apart fuzz frameworks matrix suites examples exports compare vcr-suites patchers clean
.DEFAULT_GOAL = test

# The virtual environment with the dependency group % installed.
.venv/ready-%: pyproject.toml .ci/setup
	@sh .ci/setup $*

demo: .venv/ready-demo
	@$(BIN)/python docs/demo/demo.py $(ARGS)

test: .venv/ready-test
	@$(RUN) pytest -n auto --cov --cov-report=term $(ARGS)

# `make -k check` goes on after the first that fails.
check: lint format types contracts

lint: .venv/ready-dev
	$(RUN) ruff check .

format: .venv/ready-dev
	$(RUN) ruff format --check .

types: mypy pyright

mypy: .venv/ready-dev
	$(RUN) mypy

pyright: .venv/ready-dev
	$(RUN) pyright --pythonpath $(BIN)/python

contracts: .venv/ready-dev
	$(BIN)/lint-imports

bench: .venv/ready-bench
	$(RUN) tests.bench $(ARGS)

apart: .venv/ready-test
	$(BIN)/python tests/transports/apart.py $(ARGS)
	$(BIN)/python tests/laws/escapes.py

.cache/local/ready: pyproject.toml .ci/torch | .venv/ready-test
	@sh .ci/torch .cache/local

LOCAL = $(subst .venv,.cache/local,$(BIN))/python

local: .cache/local/ready
	@$(LOCAL) -m pytest -n 2 tests/local $(ARGS)

local-compare: .venv/ready-test
	$(BIN)/python tests/local/compared/run.py

matrix: .venv/ready-test
	$(RUN) tests.clients.matrix $(ARGS)

patchers: .venv/ready-test
	$(RUN) tests.clients.patchers $(ARGS)

fuzz: .venv/ready-fuzz
	$(RUN) tests.fuzz $(ARGS)

frameworks: .venv/ready-test
	$(BIN)/python tests/frameworks/run.py $(ARGS)
suites: .venv/ready-test
	$(RUN) tests.clients.suites.run $(ARGS)

examples: .venv/ready-test
	$(BIN)/python tests/cassettes_examples/record.py

compare: .venv/ready-test
	$(BIN)/python tests/cassettes/peers/run.py

exports: .venv/ready-test
	$(BIN)/python tests/cassettes/exports/run.py $(ARGS)

vcr-suites: .venv/ready-test
	$(RUN) tests.vcr.suites.run $(ARGS)

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf .coverage .coverage.* build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
