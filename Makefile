# Every target makes or updates .venv first (tools/setup.sh), which takes no time when nothing changed.
# `make test TESTS="packages/client -k seed"` runs some tests; TEST_PROCESSES=0 runs them in one process.

BIN := .venv/bin
SOURCES := $(filter-out packages/web/src,$(wildcard packages/*/src)) # of Python
TESTS ?=
# One more than there are cores: tests wait for servers and clients a third of their time.
TEST_PROCESSES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# Bytecode is kept, even where the environment says otherwise: tests and checks start hundreds of processes, and each would
# compile its libraries anew, which takes two thirds of the time that importing scikit-learn and torch does.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
WEB := packages/web

.PHONY: help setup setup-web demo demo-web test check check-web check-format check-lint check-types check-imports check-generated check-tree \
	guides wheels check-docs check-protos check-readme protos-baseline bench bench-bars bench-full docs format protos generate generate-docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with all packages and tools, and torch as a CPU build
	@tools/setup.sh

setup-web: ## Make what tests of the browser's client need, where Node 20 and npm are there
	@tools/setup_web.sh

demo: setup ## Train a model on medical data, serve it, and predict on encrypted rows
	@$(BIN)/cryptable demo

demo-web: setup setup-web ## Serve a model and a web page whose rows never leave the browser unencrypted
	@$(BIN)/python -m examples.browser --port 8442

# Where a process dies, the others end the run: xdist would wait forever for the one that takes its place.
test: setup setup-web ## Run all tests
	@$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --maxprocesses 4 --dist loadgroup --max-worker-restart 0 \
		--durations 10 --durations-min 5 $(TESTS)

CHECKS := check-format check-lint check-types check-imports check-generated check-tree check-protos check-docs check-web check-readme
SKIP ?=
check: $(filter-out $(SKIP),$(CHECKS)) ## Run every check below, but for those in SKIP

check-format: setup ## Formatting is ruff's
	@$(BIN)/ruff format --check .

check-lint: setup ## Lint rules hold
	@$(BIN)/ruff check .

check-types: setup ## Types are right, strictly
	@$(BIN)/mypy $(SOURCES) tools

check-imports: setup ## Imports follow docs/architecture.md
	@$(BIN)/lint-imports --no-logo

check-generated: setup ## Generated files are what their sources say
	@$(BIN)/python tools/generate_hashes.py --check
	@$(BIN)/python tools/generate_sboms.py --check
	@$(BIN)/python tools/generate_protos.py --check
	@$(BIN)/python tools/generate_vectors.py --check
	@$(BIN)/python tools/generate_module_tables.py --check
	@$(BIN)/python tools/generate_prices.py --check
	@$(BIN)/python tools/generate_settings_table.py --check
	@$(BIN)/python tools/generate_support_tables.py --check
	@$(BIN)/python tools/generate_onnx_support.py --check
	@$(BIN)/python tools/generate_licences.py --check
	@$(BIN)/python tools/website/pictures.py --check
	@$(BIN)/python tools/bench/render.py --check

check-tree: setup ## No lock file, package host, path of one machine or overlong file is tracked
	@$(BIN)/python tools/check_tree.py

check-web: setup setup-web ## The browser's client: types, formatting, and generated code
	@if [ -d $(WEB)/node_modules ]; then npm --prefix $(WEB) run --silent check && $(BIN)/python tools/generate_web_protos.py --check; fi

check-readme: setup ## Code in the READMEs runs
	@$(BIN)/python -m pytest --quiet integration_tests/test_readme.py -k readme

bench: setup ## Measure our models against the bare lookups, and write docs/benchmarks (less than ten minutes)
	@$(BIN)/python -W ignore tools/bench/bench.py

bench-bars: setup ## Measure the main job, the table compiler and the client against their bars (minutes)
	@$(BIN)/python tools/bench/main_job.py
	@$(BIN)/python tools/bench/tables.py
	@$(BIN)/python tools/bench/client_keygen.py
	@$(BIN)/python tools/bench/client_footprint.py

bench-full: setup ## The same beside Concrete ML, which is installed for it (6 GB, an hour)
	@$(BIN)/python tools/bench/against_concrete_ml.py --json docs/benchmarks/against-concrete-ml.json
	@$(BIN)/python -W ignore tools/bench/bench.py

check-protos: setup ## Messages follow their rules, and nobody who has the last release is broken by a change
	@cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf breaking --against baseline.binpb

protos-baseline: setup ## At a release: later changes of protos/ are compared with what they are now
	@cd protos && ../$(BIN)/buf build --output baseline.binpb

check-docs: setup ## The documentation site builds, and each of its links and names leads somewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

docs: generate-docs check-docs ## Write the generated parts of docs/, and build the site into build/site
	@echo "build/site/index.html; for its search: python3 -m http.server --directory build/site"

format: setup ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

protos: setup setup-web ## Generate code and test vectors from protos/
	@$(BIN)/python tools/generate_protos.py
	@$(BIN)/python tools/generate_vectors.py
	@if [ -d $(WEB)/node_modules ]; then $(BIN)/python tools/generate_web_protos.py; fi

generate: protos generate-docs ## Generate everything that is generated and tracked

generate-docs: setup
	@$(BIN)/python tools/generate_module_tables.py
	@$(BIN)/python tools/generate_public_names.py
	@$(BIN)/python tools/generate_prices.py
	@$(BIN)/python tools/generate_sboms.py
	@$(BIN)/python tools/generate_settings_table.py
	@$(BIN)/python tools/generate_support_tables.py
	@$(BIN)/python tools/generate_onnx_support.py
	@$(BIN)/python tools/generate_licences.py
	@$(BIN)/python tools/website/pictures.py
	@$(BIN)/python tools/bench/render.py

guides: setup ## Run the guides about networks in environments made by their extras alone (minutes, 2 GB)
	@$(BIN)/python tools/guides_by_extras.py

wheels: setup ## Build the kernel's wheels for all systems into dist/ (installs a compiler of 400 MB elsewhere, minutes)
	@$(BIN)/python tools/build_wheels.py

clean: ## Remove caches and builds; keep .venv
	@rm -rf .grimp_cache .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist packages/*/dist $(WEB)/build
	@find packages integration_tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
