# Short targets; each says what it does while it does it. `make` alone lists them.
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= logical
CASES ?= 500
REAL := lab_network lab_fault connect_network connect_verify connect_ways connect_istio doctor_network demo
LONG := connect/test_account.py connect/test_gateways.py connect/test_istio.py connect/test_managed.py

.PHONY: help setup binaries network test demo lint style rooms tree locks types connect fidelity faults freeze mutations bench docs-check lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything in it (.venv/bin/isthmus)

$(READY): requirements-dev.lock pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

binaries: $(READY) ## build what the lab runs, from pinned Go modules (minutes at first, then cached)
	@scripts/check-go
	@$(BIN)/isthmus lab build

network: binaries ## build what real nodes run, and their images (root on Linux; a quarter of an hour at first)
	@scripts/network

test: binaries ## do all set-up and run the tests (ARGS="tests/model -x" runs a part)
	@scripts/network --if-possible
	@echo "running the tests"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not faults and not long" $(ARGS)

demo: binaries ## do all set-up and tell the whole story on three real clusters (ARGS="--profile control")
	@$(BIN)/isthmus demo $(ARGS)

lint: style rooms tree locks ## style, rooms, tree, lock files

style: $(READY)
	@echo "ruff: style and format"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

rooms: $(READY)
	@echo "import-linter: rooms import downwards"
	@$(BIN)/lint-imports --no-logo

tree: $(READY)
	@echo "tree: no binaries, no paths of a machine, no index addresses"
	@$(BIN)/python scripts/check_tree.py

locks: $(READY)
	@echo "locks: they follow pyproject.toml"
	@scripts/lock --check

types: $(READY) ## mypy, strict, over src, tests, bench, scripts
	@echo "mypy: strict types"
	@$(BIN)/mypy src tests bench scripts

faults: binaries ## outages, and kill -9 at every point of every journal (the long tests)
	@ISTHMUS_FAULTS=all $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup \
		tests/faults/test_kill.py tests/faults/test_outage.py $(ARGS)

connect: network ## all that needs real nodes, one after another: lab, faults, mesh, proofs, demo (an hour)
	@echo "running what needs real nodes: $(REAL)"
	@$(BIN)/python -m pytest -n 1 --dist loadgroup $(addprefix tests/,$(REAL) $(LONG)) $(ARGS)

fidelity: network ## generated policies on real agents, packets against verdicts (CASES=500)
	@echo "playing $(CASES) generated cases on two real clusters"
	@ISTHMUS_FIDELITY=$(CASES) $(BIN)/python -m pytest -n 0 -p xdist tests/connect_verify/test_fidelity.py $(ARGS)

freeze: binaries ## freeze deploy and its helm at 100 seeded moments of a rollout
	@ISTHMUS_FREEZES=100 $(BIN)/python -m pytest tests/faults/test_freeze.py $(ARGS)

mutations: $(READY) ## 10,000 odd folders through the plan
	@ISTHMUS_MUTATIONS=10000 $(BIN)/python -m pytest tests/plan/test_mutations.py $(ARGS)

bench: binaries ## print the figures of bench/
	@$(BIN)/python -m bench.run $(ARGS)

docs-check: $(READY) ## links and commands in the documents
	@$(BIN)/python scripts/check_docs.py

lock: $(READY) ## write requirements.lock and requirements-dev.lock from pyproject.toml
	@scripts/lock

clean: ## remove .venv and what tools leave (not the lab: `isthmus lab down`)
	@echo "removing .venv and caches"
	@rm -rf .venv .make .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
