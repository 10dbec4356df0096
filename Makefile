WORKERS ?= 1
DAGS ?= dags
DAG ?= example_workers
SCENARIOS := default resilience split existing bookworm
# Those that take too long to run with the others.
FURTHER_SCENARIOS := operations failover
SCENARIO_TESTS := $(SCENARIOS:%=molecule-%)
FURTHER_SCENARIO_TESTS := $(FURTHER_SCENARIOS:%=molecule-%)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Behind a proxy that re-signs TLS: uv trusts the certificates that this machine trusts.
export UV_SYSTEM_CERTS := true
export MOLECULE_COMMAND_BORDERS := false
export MOLECULE_GLOB := molecule/*/molecule.yml
# Ansible starts three times as fast with cached byte code.
unexport PYTHONDONTWRITEBYTECODE

ENGINE := lab/engine.sh
MOLECULE := $(ENGINE) molecule
RECORD := python3 scripts/junit_record.py
LOCKS := $(wildcard roles/airflow_runtime/files/locks/*.txt requirements/*.txt)
AIRFLOW_LOCKS := $(sort $(wildcard roles/airflow_runtime/files/locks/[0-9]*.txt))
AIRFLOW_LOCK := $(lastword $(AIRFLOW_LOCKS))
AIRFLOW_VERSIONS := $(notdir $(AIRFLOW_LOCKS:.txt=))

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 22
up: ## create the cluster in the lab; WORKERS=3 for more workers, DAGS=directory for other DAGs
	@LAB_WORKERS=$(WORKERS) LAB_DAGS=$(abspath $(DAGS)) LAB_QUEUES=default,heavy python3 lab/up.py
	@lab/summary.sh
down: venv ## remove the cluster and its secrets
	@$(MOLECULE) destroy -s default
trigger: venv ## run a DAG in the lab and show which worker ran each task: make trigger DAG=example_retry
	@PYTHONPATH=lab python lab/trigger.py $(DAG)
login: venv ## open a shell on a host of the lab: make login HOST=worker1
	@lab/login.sh $(HOST)
venv: .venv/.up-to-date ## install the controller tools into .venv
engine: ## install and start a Docker engine, unless one answers
	@$(ENGINE)
image: image-trixie image-bookworm ## build the bare-host images of the lab
image-trixie image-bookworm: image-%:
	@$(ENGINE) lab/image/build.sh $* >/dev/null
clean: venv ## remove the labs of all scenarios and benchmarks
	@for scenario in $(SCENARIOS) $(FURTHER_SCENARIOS) benchmark throughput; do $(MOLECULE) destroy -s $$scenario || exit 1; done

# Two at a time keep both cores busy, for all wait a lot; the long ones first.
TWO_AT_A_TIME = $(MAKE) --no-print-directory --jobs=2 --output-sync=target

test: forget-results venv engine ## run all checks: scenarios, linters, unit tests
	@echo ">>> two checks run at a time; each prints its output when it ends: $(SCENARIOS), then linters and unit tests"
	@$(TWO_AT_A_TIME) $(SCENARIO_TESTS) lint unit
	@python3 scripts/junit_summary.py
forget-results:
	@rm -rf .cache/junit
LINTERS := lint-galaxy lint-ansible lint-mypy lint-yaml lint-ruff lint-format lint-specs lint-docs
lint: $(LINTERS) ## run the linters
lint-yaml: CHECK := yamllint --strict .
lint-ansible: CHECK := ansible-lint --strict --nocolor
lint-ruff: CHECK := ruff check
lint-format: CHECK := ruff format --check
lint-mypy: CHECK := mypy
lint-specs: CHECK := python scripts/check_specs.py
lint-docs: CHECK := python scripts/spec_docs.py --check
lint-galaxy: CHECK := scripts/sanity.sh
$(LINTERS): venv
	@$(RECORD) $@ $(CHECK)
unit: unit-compat unit-airflow unit-collection ## run the unit tests
unit-collection: venv
	@$(RECORD) $@ pytest --junit-xml=.cache/junit/$@.xml tests/unit
# On each version that can be installed; on older ones what runs inside Airflow's own processes.
unit-airflow: $(AIRFLOW_VERSIONS:%=unit-airflow-%)
unit-airflow-%: .cache/airflow-venv-%/.up-to-date
	@$(RECORD) $@ .cache/airflow-venv-$*/bin/python -m pytest --junit-xml=.cache/junit/$@.xml \
		$(if $(filter $*.txt,$(notdir $(AIRFLOW_LOCK))),roles/*/tests,roles/airflow_runtime/tests)
unit-compat: venv
	@$(RECORD) $@ scripts/compat.sh
molecule: venv engine ## test the scenarios, two at a time; molecule-split for one; molecule-operations and molecule-failover are not among them
	@echo ">>> two scenarios run at a time; each prints its output when it ends: $(SCENARIOS)"
	@$(TWO_AT_A_TIME) $(SCENARIO_TESTS)
$(SCENARIO_TESTS) $(FURTHER_SCENARIO_TESTS): molecule-%: venv image
	@$(RECORD) $@ $(MOLECULE) test -s $*

format: venv ## format the Python sources
	@ruff check --fix && ruff format
docs: venv ## generate the documentation of the variables
	@python scripts/spec_docs.py
audit: .cache/audit-venv/.up-to-date ## ask for known vulnerabilities of all locked packages; SERVICE=osv asks OSV instead of PyPI
	@python scripts/audit.py --service $(or $(SERVICE),pypi) $(LOCKS)
sbom: .cache/audit-venv/.up-to-date ## write the bill of materials of Airflow's packages (CycloneDX)
	@python scripts/sbom.py $(AIRFLOW_LOCK) .cache/airflow-$(notdir $(AIRFLOW_LOCK:.txt=)).cdx.json
lock-controller: ## lock the controller tools; UPGRADE=1 for newer versions
	@scripts/lock-controller.sh $(if $(UPGRADE),--upgrade)
lock-airflow: venv ## lock the packages of Airflow
	@scripts/lock-airflow.sh

soak: venv ## inject faults for ten minutes; SEED=2 for another order
	@$(MOLECULE) destroy -s resilience
	@$(MOLECULE) converge -s resilience
	@PYTHONPATH=lab $(ENGINE) python lab/soak.py --seed $(or $(SEED),1)
	@$(MOLECULE) destroy -s resilience
benchmark-install: venv ## measure how long an installation takes
	@$(MOLECULE) destroy -s benchmark
	@$(MOLECULE) create -s benchmark
	@ANSIBLE_CALLBACKS_ENABLED=ansible.posix.profile_tasks $(ENGINE) python benchmarks/install.py
	@$(MOLECULE) destroy -s benchmark
benchmark-fleet: venv ## measure runs without changes on up to 20 worker hosts
	@$(MOLECULE) destroy -s default
	@LAB_WORKERS=20 $(MOLECULE) converge -s default
	@LAB_WORKERS=20 $(ENGINE) python benchmarks/fleet.py
	@$(MOLECULE) destroy -s default
BENCHMARKS := benchmark-throughput benchmark-scaling benchmark-settings benchmark-health
benchmark-throughput: ## measure tasks per second; ARGS="--help" lists the options
benchmark-scaling: ## measure what idle workers and waiting tasks cost
benchmark-settings: ## measure the effect of single settings
benchmark-health: ## measure what the worker monitor costs
$(BENCHMARKS): benchmark-%: venv
	@$(MOLECULE) create -s throughput
	@PYTHONPATH=lab $(ENGINE) python benchmarks/$*.py $(ARGS)

.venv/.up-to-date: requirements/controller.txt scripts/venv.sh
	@scripts/venv.sh
.cache/airflow-venv-%/.up-to-date: roles/airflow_runtime/files/locks/%.txt requirements/controller.txt scripts/airflow-venv.sh | venv
	@scripts/airflow-venv.sh $(@D) $<

.cache/audit-venv/.up-to-date: requirements/audit.txt scripts/audit-venv.sh | venv
	@scripts/audit-venv.sh

.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' Makefile) image-trixie image-bookworm $(SCENARIO_TESTS) $(FURTHER_SCENARIO_TESTS)
