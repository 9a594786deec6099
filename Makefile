.DEFAULT_GOAL := help
# Where bytecode is not kept, each of the many processes compiles all of its libraries again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run dev demo test check contracts chaos explore storm bench migration schemas reset lock setup-run setup-test

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

run: setup-run ## Set everything up and run the platform (Ctrl-C stops it).
	@exec .venv/bin/mystira run

dev: setup-test ## Run, starting again whenever the code changes.
	@exec .venv/bin/mystira run --reload

test: setup-test ## Set everything up and run all tests. ARGS="tests/play -k roll" runs some.
	@tools/browser.sh
	@tools/promtool.sh
	@.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=10 $(ARGS)

check: setup-test ## Everything that continuous integration runs: style, types, contracts, tests.
	@echo "== ruff: style" && .venv/bin/ruff check && .venv/bin/ruff format --check --quiet
	@echo "== pyright: types" && .venv/bin/pyright
	@echo "== import-linter: who may know whom" && .venv/bin/lint-imports --no-cache | tail -n 5
	@echo "== tests"
	@$(MAKE) --no-print-directory test

contracts: setup-test ## What every store promises: make contracts COSMOS_URL=cosmos://... runs it against that account and empties it.
	@COSMOS_URL="$(COSMOS_URL)" .venv/bin/python -m pytest -q tests/contracts $(if $(COSMOS_URL),-k cosmos)

chaos: setup-test ## Kill real processes and PostgreSQL for three minutes: make chaos ARGS="--seconds 600".
	@.venv/bin/python -m tests.chaos $(ARGS)

explore: setup-test ## Visit every state of the control protocol: make explore (RULE=R3 takes a rule away).
	@.venv/bin/python -m tests.explorer $(if $(RULE),--rule-off "$(RULE)")

storm: setup-test ## Seeded storms over replication: make storm SEEDS=2000 (FROM=7 begins there).
	@.venv/bin/python -m tests.storms --seeds $(or $(SEEDS),2000) --from $(or $(FROM),0)

demo: setup-run ## A migration under fire, to watch in the terminal and the browser: about three minutes (DEMO_S=60 is the short form).
	@exec .venv/bin/python -m demo

bench: setup-test ## Measure against named peers; writes bench/results.json and bench/RESULTS.md.
	@.venv/bin/python -m bench

schemas: setup-run ## Write the JSON Schemas of what `mystira migrate` and `mystira content` print to docs/schemas.
	@for name in $$(.venv/bin/mystira migrate schema); do .venv/bin/mystira migrate schema $$name > docs/schemas/$$name.json; done
	@for name in $$(.venv/bin/mystira content schema --names); do .venv/bin/mystira content schema $$name > docs/schemas/$$name.json; done

migration: setup-test ## Draft the next schema revision: make migration NAME="what it does".
	@.venv/bin/mystira migration new "$(NAME)"

reset: setup-run ## Delete everything that is kept (asks first; YES=1 does not ask).
	@.venv/bin/mystira reset $(if $(YES),--yes)

lock: ## Make both locks anew from pyproject.toml.
	@.venv/bin/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml -o requirements.lock
	@.venv/bin/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

setup-run:
	@tools/setup.sh run

setup-test:
	@tools/setup.sh test
