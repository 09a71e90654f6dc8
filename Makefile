# Lifeline: `make run` tries it, `make test` proves it. `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS := 600
DATA ?= ../shared/data

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.run ## the demonstration city: broker, service, simulators and a live table of alarms
	@exec $(BIN)/lifeline demo

test: $(VENV)/.dev packages ## every test, with the real servers: mosquitto, InfluxDB, PostgreSQL, nginx, Prometheus, Chromium
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

real: $(VENV)/.run packages ## replay real recordings through the whole service: make real DATA=../shared/data
	$(BIN)/lifeline real --data $(DATA)

crash: $(VENV)/.dev packages ## seeded kill -9 under load: 50 of the service, 10 each of leader, PostgreSQL, InfluxDB, broker
	LIFELINE_KILLS=50 $(BIN)/python -m pytest -q tests/service/test_kill.py tests/service/test_kill_deployed.py --timeout=3600

outage: $(VENV)/.dev packages ## InfluxDB away for 10 minutes under 50,000 readings a second: make outage SECONDS=60
	SECONDS_AWAY=$(SECONDS) $(BIN)/python -m bench.outage

scoreboard: $(VENV)/.run ## every scenario at 20 seeds: recall, precision, delay
	$(BIN)/lifeline scoreboard

bench: $(VENV)/.run packages ## measure and write bench/results.json
	$(BIN)/python -m bench.run

soak: $(VENV)/.run packages ## a city's load for MINUTES (30): memory, books, latency by minute
	MINUTES=$(or $(MINUTES),30) $(BIN)/python -m bench.soak

reference: $(VENV)/.run ## write what comes from the code: tables in docs/, example settings, dashboards
	$(BIN)/python -m tools.reference

lock: ## resolve the dependencies again
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean: ## remove the virtual environment and the demonstration's data
	rm -rf $(VENV) .lifeline

$(VENV)/.run: requirements.lock pyproject.toml tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.run

packages:
	@tools/packages.sh mosquitto mosquitto-clients chromium influxdb nginx postgresql openssl prometheus

.PHONY: help run test check real crash outage scoreboard bench soak reference lock clean packages
