# make help lists the targets.
SHELL := /bin/bash
WORKERS ?= 1
SCENARIOS := default split bookworm resilience

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Companies re-sign TLS: uv trusts what this machine trusts.
export UV_SYSTEM_CERTS := true
export MOLECULE_COMMAND_BORDERS := false
# Ansible starts in a third of the time when its byte code is kept.
unexport PYTHONDONTWRITEBYTECODE

ENGINE := scripts/engine.sh
STAGE := python3 scripts/stage.py
PYTHON_SOURCES := $(wildcard scripts molecule tests plugins benchmarks roles/airflow/files/python)
AIRFLOW_LOCK := $(lastword $(sort $(wildcard roles/airflow/files/locks/[0-9]*.txt)))

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.venv/.up-to-date: requirements/controller.txt scripts/venv.sh
	@scripts/venv.sh

.PHONY: venv
venv: .venv/.up-to-date ## the controller tools, into .venv

.PHONY: engine
engine: ## a Docker engine: installs and starts Debian's where none answers
	@$(ENGINE)

.PHONY: image
image: ## the bare-host images of the lab
	@$(ENGINE) scripts/image.sh trixie
	@$(ENGINE) scripts/image.sh bookworm

.PHONY: up
up: venv ## the cluster in the lab; WORKERS=3 for more workers
	@$(ENGINE) scripts/image.sh trixie >/dev/null
	@LAB_WORKERS=$(WORKERS) $(ENGINE) molecule converge -s default
	@scripts/urls.sh

.PHONY: down
down: venv ## remove the lab: hosts, network, secrets
	@$(ENGINE) molecule destroy -s default

.PHONY: login
login: ## a shell on a host of the lab: make login HOST=worker1
	@scripts/login.sh $(HOST)

.PHONY: clean
clean: venv ## remove the labs of all scenarios
	@for scenario in $(SCENARIOS); do $(ENGINE) molecule destroy -s $$scenario || exit 1; done

.PHONY: test
test: lint unit molecule ## all checks: lint, unit tests, the scenarios

LINTS := lint-yaml lint-ansible lint-ruff lint-ruff-format lint-mypy lint-specs lint-docs
.PHONY: lint $(LINTS)
lint: $(LINTS) ## the linters
lint-yaml: venv
	@$(STAGE) $@ yamllint --strict .
lint-ansible: venv
	@$(STAGE) $@ ansible-lint --strict --nocolor
lint-ruff: venv
	@$(STAGE) $@ ruff check
lint-ruff-format: venv
	@$(STAGE) $@ ruff format --check
lint-mypy: venv
	@$(STAGE) $@ mypy $(PYTHON_SOURCES)
lint-specs: venv
	@$(STAGE) $@ python scripts/check_specs.py
lint-docs: venv
	@$(STAGE) $@ python scripts/variables_doc.py --check

.PHONY: format
format: venv ## rewrite the Python sources as the formatter has them
	@ruff check --fix
	@ruff format

.PHONY: docs
docs: venv ## docs/variables.md, from the argument specs
	@python scripts/variables_doc.py

.cache/airflow-venv/.up-to-date: $(AIRFLOW_LOCK) requirements/controller.txt scripts/airflow-venv.sh | venv
	@scripts/airflow-venv.sh $(AIRFLOW_LOCK)

UNITS := unit-project unit-airflow
.PHONY: unit $(UNITS)
unit: $(UNITS) ## the unit tests
unit-project: venv
	@pytest --junit-xml=.cache/junit/unit.xml tests/unit
unit-airflow: .cache/airflow-venv/.up-to-date
	@.cache/airflow-venv/bin/python -m pytest --junit-xml=.cache/junit/$@.xml tests/unit_airflow

MOLECULE_RUNS := $(SCENARIOS:%=molecule-%)
.PHONY: molecule $(MOLECULE_RUNS)
molecule: $(MOLECULE_RUNS) ## all scenarios; molecule-split for one
$(MOLECULE_RUNS): molecule-%: venv
	@$(ENGINE) scripts/image.sh $$(sed -n 's/.*image: lakehouse-lab://p' molecule/$*/molecule.yml | sort -u) >/dev/null
	@$(STAGE) $@ $(ENGINE) molecule test -s $*

.PHONY: soak
soak: venv ## ten minutes of faults on a cluster at work; SEED=2 for another order
	@$(ENGINE) molecule destroy -s resilience
	@$(ENGINE) molecule converge -s resilience
	@$(ENGINE) env PYTHONPATH=molecule/shared python molecule/resilience/soak.py --seed $(or $(SEED),1)
	@$(ENGINE) molecule destroy -s resilience

.PHONY: lock-controller
lock-controller: ## requirements/controller.txt anew; UPGRADE=1 for newer versions
	@$(if $(wildcard .venv/bin/uv),,scripts/venv.sh)
	@uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 $(if $(UPGRADE),--upgrade) \
		requirements/controller.in -o requirements/controller.txt

.PHONY: lock-airflow
lock-airflow: venv ## what hosts install Airflow from, anew
	@scripts/lock-airflow

.PHONY: benchmark-install
benchmark-install: venv ## how long installations take, beside the same work by hand
	@$(ENGINE) molecule destroy -s benchmark
	@$(ENGINE) molecule create -s benchmark
	@ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_tasks $(ENGINE) python benchmarks/install.py
	@$(ENGINE) molecule destroy -s benchmark

# ARGS="--help" says what can be chosen. They use the hosts that are there, with --as-is as they are.
BENCHMARKS := benchmark-throughput benchmark-scaling benchmark-settings benchmark-health
.PHONY: $(BENCHMARKS)
benchmark-throughput: ## how fast tasks go and what one costs, LocalExecutor beside Celery
benchmark-scaling: ## what idle workers and waiting tasks cost
benchmark-settings: ## which settings move the figures
benchmark-health: ## what watching over the workers costs
$(BENCHMARKS): benchmark-%: venv
	@$(ENGINE) molecule create -s throughput
	@PYTHONPATH=molecule/shared $(ENGINE) python benchmarks/$*.py $(ARGS)

.PHONY: benchmark-clean
benchmark-clean: venv ## remove the hosts of the benchmarks
	@for scenario in benchmark throughput; do $(ENGINE) molecule destroy -s $$scenario || exit 1; done
