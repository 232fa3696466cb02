# The front door. `make help` lists everything; each line below is thin on purpose.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export SERVICE N FORMAT RUNTIME ID PROFILES

run := infra/local/run
py := .venv/bin/python
pytest := .venv/bin/python -m pytest
# Everything that this repository's own tools read.
code := libs services infra tests loadtests benchmarks

##@ Start here
.PHONY: demo help setup
demo: ## set up, start, drive real traffic, report; leaves the stack running
	@$(run) demo
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nRUNTIME=local|docker picks the runtime; ports: POSTGRES_PORT=... etc., or lines in .env\n'
setup: ## install what is missing (says what and why), start nothing
	@$(run) setup

##@ The stack
.PHONY: up stop restart scale status env logs clean distclean
up: ## start all, or SERVICE=name (servers too: redis, kafka, postgres ...)
	@$(run) up
stop: ## stop all, or SERVICE=name, which then stays stopped
	@$(run) stop
restart: ## SERVICE=name: one replica after the other, each ready before the next
	@$(run) restart
scale: ## SERVICE=shortener N=3: that many replicas behind one address
	@$(run) scale
status: ## name, pid, port, state, since; FORMAT=json for scripts
	@$(run) status
env: ## addresses and keys as export lines, for eval
	@$(run) env
logs: ## follow the logs of all, or of SERVICE=name
	@$(run) logs
clean: ## stop, and remove all data, logs and secrets
	@$(run) clean
distclean: clean ## clean, and remove .venv, jars, results and caches as well
	@rm -rf .venv .run out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

##@ See
.PHONY: dashboards trace
dashboards: ## serve the dashboards as a live page (where there is no Grafana)
	@$(run) with-env $(py) infra/dashboards/serve.py
trace: ## ID=...: print one trace as a waterfall
	@$(run) python python $(py) infra/dashboards/trace.py $(ID)

##@ Operate
.PHONY: dead-letters reconcile
dead-letters: ## list what consumers could not apply; ARGS="redrive --group inventory --dry-run"
	@$(run) as orders-worker orders.deadletters $(or $(ARGS),list)
reconcile: ## orders, money and stock against each other, live; fails where they differ
	@$(run) as orders-worker orders.reconcile $(ARGS)

##@ Check
# These judge delays and rates: nothing else runs beside them.
timed := tests/chaos/orders tests/chaos/shortener
.PHONY: test test-unit test-property test-fast test-integration test-contract test-docs test-servers test-e2e
.PHONY: test-chaos test-chaos-untimed test-chaos-timed lint format
test: ## everything, from a bare machine
	@$(run) python "python servers" sh -c '$(MAKE) -k -j2 -O lint test-fast; first=$$?; \
		$(MAKE) -k test-servers test-e2e test-chaos && exit $$first'
test-unit: ## no servers, no sockets
	@$(run) python python $(pytest) tests/unit -n 2 -q
test-property: ## hypothesis; no servers, no sockets
	@$(run) python python $(pytest) tests/property -n 2 -q
test-fast: ## unit and property tests together
	@$(run) python python $(pytest) tests/unit tests/property -n 2 -q
test-integration: ## against real Postgres, Redis, Kafka and VictoriaMetrics
	@$(run) python "python servers" $(pytest) tests/integration -n 2 -q
test-contract: ## OpenAPI, events and schemas
	@$(run) python "python servers" $(pytest) tests/contract -n 2 -q
test-docs: ## the docs against the code
	@$(run) python python $(pytest) tests/docs -n 2 -q
test-servers: ## integration, contract and docs tests together
	@$(run) python "python servers" $(pytest) tests/integration tests/contract tests/docs -n 2 -q
test-e2e: ## the make targets themselves, on a private copy
	@$(run) python "python servers" $(pytest) tests/e2e -q
test-chaos: test-chaos-untimed test-chaos-timed ## servers killed, paused and restarted under load
test-chaos-untimed:
	@$(run) python "python servers" $(pytest) $(filter-out $(timed),$(wildcard tests/chaos/*)) -n 2 --dist loadfile -q
test-chaos-timed:
	@$(run) python "python servers" $(pytest) $(timed) -q
lint: ## ruff, mypy, import-linter
	@$(run) python python sh -c '.venv/bin/ruff check . && .venv/bin/ruff format --check . && \
		.venv/bin/mypy $(code) && .venv/bin/lint-imports'
format: ## let ruff rewrite what it can
	@$(run) python python sh -c '.venv/bin/ruff check --fix . ; .venv/bin/ruff format .'

##@ Measure
.PHONY: bench load
bench: ## SERVICE=shortener: our numbers against others', in one run; ARGS="--only redirect"
	@$(run) python "python servers" $(py) -m benchmarks.run $(or $(SERVICE),shortener) $(ARGS)
load: ## SERVICE=shortener: an open-schedule load test with thresholds; ARGS="--rate 500"
	@$(run) with-env $(py) -m loadtests.run --service $(or $(SERVICE),shortener) $(ARGS)
