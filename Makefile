# `make help` lists the targets. Needs Linux, Python 3.11 and a package registry; nothing else
# until a container is asked for.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 2>/dev/null || echo python3)
VENV ?= .venv
# Environments separate from the function's own packages, one per lock file.
TOOLS ?= build/venv
ARGS ?=
GUIDED ?= --guided
DEPLOY_ARGS ?=

PY := $(VENV)/bin/python
INSTALL := -m pip install -qq --disable-pip-version-check --no-input \
	--no-deps --only-binary :all: --require-hashes --no-compile
RUN := $(VENV)/.run-stamp
TEST := $(VENV)/.test-stamp
TEST_ALL := $(VENV)/.test-all-stamp
AWS_TEST := $(VENV)/.aws-test-stamp
BROWSER := $(VENV)/.browser-stamp
SAM := $(TOOLS)/sam/bin/sam
SAM_ENV := SAM_CLI_TELEMETRY=0 PATH="$(abspath $(TOOLS)/sam/bin):$$PATH"

# The locks hold only wheels for Linux and CPython 3.11; elsewhere pip reports wrong hashes.
SUITS := import sys; sys.exit(sys.platform != "linux" or sys.version_info[:2] != (3, 11))

# make_venv FOLDER: an environment with pip, unless it exists.
define make_venv
	@$(or $(wildcard $(1)/bin/python),$(PYTHON)) -c '$(SUITS)' 2>/dev/null || { echo \
		"needs Python 3.11 on Linux (on a Mac or Windows: a Linux container or WSL2);" \
		"$(or $(wildcard $(1)/bin/python),$(PYTHON)) is not that: set PYTHON=..." >&2; exit 1; }
	@test -x $(1)/bin/python || { echo "making $(1)"; $(PYTHON) -m venv $(1); }
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip >/dev/null
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
	@echo '  Options go into ARGS, as in: make evaluate ARGS="--help"'

## ---------------------------------------------------------------- use

.PHONY: run serve show evaluate rekognition-table import-model enrol collect model-check model-card local-api
run: $(RUN) ## answer compare-same and compare-different through Lambda's runtime loop
	@$(PY) -m tools.run_local $(ARGS)

serve: $(RUN) ## serve HTTP on port 8080
	@$(PY) -m tools.serve $(ARGS)

show: $(TEST) ## draw the faces and the decision: ARGS="A.jpg B.jpg -o out.png"
	@$(PY) -m tools.show $(ARGS)

local-api: $(TEST) $(SAM) ## build the image and serve it with SAM, as the HTTP API would
	@$(PY) -m tools.local_api $(ARGS)

evaluate: $(TEST) ## measure a model on pairs of pictures
	@$(PY) -m tools.evaluate $(ARGS)

# Prints the table of docs/rekognition.md from a model's manifest: ARGS="--model FOLDER".
rekognition-table: $(RUN)
	@$(PY) -m tools.similarity_table $(ARGS)

import-model: $(TEST_ALL) ## make another model servable: ARGS="facenet --out models/facenet", or a file of your own
	@$(PY) -m tools.import_model $(ARGS)

enrol: $(TEST) ## enrol people, one folder per person: ARGS="people/ -c staff"
	@$(PY) -m tools.enrol $(ARGS)

collect: $(TEST) ## gather the results of a batch: ARGS="s3://bucket/prefix -o faces.parquet"
	@$(PY) -m tools.collect $(ARGS)

# Checks the bundled model against its manifest.
model-check: $(TEST_ALL)
	@$(PY) -m tools.check_model $(ARGS)

# Measures the figures of the model card again (ARGS=--check prints differences).
model-card: $(TEST_ALL)
	@$(PY) -m training.card $(ARGS)

## ---------------------------------------------------------------- test

.PHONY: test test-all check test-container test-aws test-browser test-deploy test-arm64 fuzz soak audit sbom
# Each of these folders has a target of its own.
ELSEWHERE := $(foreach folder,container aws browser deploy arm64,--ignore=tests/$(folder))
# A process for each processor; a module's tests share one. ARGS="-n 0" uses none (for --pdb).
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
test: $(TEST) ## test the function and the tools, without TensorFlow (a minute)
	@$(PY) -m pytest -m "not full" $(PARALLEL) $(ELSEWHERE) $(ARGS)

test-all: $(TEST_ALL) ## test everything, also the importer, training and accuracy (installs TensorFlow, 1.5 GB)
	@$(PY) -m pytest $(PARALLEL) $(ELSEWHERE) $(ARGS)

check: $(TEST) ## check lint, formatting, types and import directions
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

test-container: $(TEST) $(SAM) $(TOOLS)/deploy/.stamp ## build the image, call it as Lambda does, deploy it to an AWS emulator (needs Docker)
	@TOOLS="$(TOOLS)" $(PY) -m pytest tests/container $(ARGS)

test-aws: $(AWS_TEST) $(SAM) ## test with real S3 and SQS servers (needs root and apt)
	@$(PY) -m pytest tests/aws $(ARGS)

test-browser: $(BROWSER) ## test the page in a real Chromium (needs root and apt, or Chromium)
	@$(PY) -m tests.browser.install_chromium
	@$(PY) -m pytest tests/browser $(ARGS)

test-deploy: $(TEST) $(SAM) $(TOOLS)/deploy/.stamp ## deploy the template to an AWS emulator and test the stack
	@TOOLS="$(TOOLS)" $(PY) -m pytest tests/deploy $(ARGS)

test-arm64: $(TEST) ## answer every event on arm64 under qemu and compare (needs root and apt, or qemu)
	@$(PY) -m pytest tests/arm64 -s $(ARGS)

fuzz: $(TEST) $(TOOLS)/fuzz/.stamp ## fuzz with schemathesis and a minute of atheris; for a night: ARGS="--seconds 28800 --random"
	@PATH="$(abspath $(TOOLS)/fuzz/bin):$$PATH" $(PY) -m pytest tests/contract/test_api_serve.py
	@$(TOOLS)/fuzz/bin/python -m fuzz $(ARGS)

# Good and bad requests for half an hour, with memory and tallies: ARGS="--minutes 5"
soak: $(TEST) $(SAM)
	@$(PY) -m bench.soak $(ARGS)

audit: $(TOOLS)/audit/.stamp ## list known vulnerabilities of the pinned packages
	@$(TOOLS)/audit/bin/python requirements/audit.py

# Bills of materials (CycloneDX) and licence lists of the function, and of the decoder of HEIC.
sbom: $(TOOLS)/audit/.stamp $(TOOLS)/run/.stamp $(TOOLS)/heic/.stamp
	@mkdir -p build
	$(call describe,run,)
	$(call describe,heic,-heic)

# describe LOCK,SUFFIX: what is installed from a lock, into build/sbomSUFFIX.cdx.json and licencesSUFFIX.md
define describe
	@$(TOOLS)/audit/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
		--output-file build/sbom$(2).cdx.json $(TOOLS)/$(1)/bin/python
	@$(TOOLS)/audit/bin/pip-licenses --python $(TOOLS)/$(1)/bin/python --format markdown \
		--with-urls --output-file build/licences$(2).md
endef

## ---------------------------------------------------------------- make

.PHONY: train detector-weights lock heic
heic: $(RUN) ## install the decoder of HEIC, which FACENET_HEIC=on then uses (LGPL; docs/heic.md)
	@$(PY) $(INSTALL) -r requirements/heic.txt

# Trains the bundled model: ARGS="prepare fit export manifest bundle".
train: $(TEST_ALL)
	@$(PY) -m training $(ARGS)

# Rebuilds align/weights from the published package.
detector-weights: $(TOOLS)/detector-weights/.stamp
	@$(TOOLS)/detector-weights/bin/python -m training.build_detector $(ARGS)

# Writes requirements/*.txt from pyproject.toml; ARGS=--upgrade takes newer versions.
lock: $(TOOLS)/lock/.stamp
	@$(TOOLS)/lock/bin/python requirements/write_locks.py $(ARGS)

## ---------------------------------------------------------------- ship

.PHONY: image build validate deploy bench
image: $(RUN) ## build the container images alone (needs Docker)
	@$(PY) -m image.build $(ARGS)

validate: $(SAM) $(TOOLS)/checkov/.stamp ## run sam validate --lint and checkov
	@$(SAM_ENV) AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-eu-west-1} sam validate --lint
	@$(TOOLS)/checkov/bin/python -m checkov.main --file template.yaml --framework cloudformation \
		--compact --quiet --skip-download

build: $(SAM) ## run sam build
	@$(SAM_ENV) sam build $(ARGS)

# ARGS reaches `sam build` as well, which needs the architecture; DEPLOY_ARGS does not. The prompts
# begin with the answers of last time where these were saved, else with the template's defaults.
deploy: build ## run sam deploy --guided, to your own account; unattended: GUIDED= DEPLOY_ARGS="..."
	@$(SAM_ENV) sam deploy $(if $(wildcard samconfig.mine.toml),--config-file samconfig.mine.toml) \
		$(GUIDED) $(ARGS) $(DEPLOY_ARGS)

# Peers bring packages that the function does not have; each bench has its environment.
BENCH ?= speed
bench: bench-$(BENCH) ## measure speed beside other packages, or another: BENCH=recall, growth, batch_throughput, ...
bench-speed: $(TEST) $(TOOLS)/peers/.stamp
	@$(PY) -m bench.speed --peers $(TOOLS)/peers/bin/python $(ARGS)
bench-recall bench-dlib_recognition: bench-%: $(TOOLS)/peers/.stamp
	@$(TOOLS)/peers/bin/python -m bench.$* $(ARGS)
bench-batch_throughput bench-batch_tally: bench-%: $(AWS_TEST)
	@$(PY) -m bench.$* $(ARGS)
bench-search: $(TEST)
	@$(PY) $(INSTALL) -r requirements/search-bench.txt
	@$(PY) -m bench.search $(ARGS)
bench-%: $(TEST)
	@$(PY) -m bench.$* $(ARGS)

.PHONY: clean
clean: ## remove what these targets made
	rm -rf build .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@case "$(VENV)" in .venv) rm -rf .venv ;; *) echo "kept $(VENV)" ;; esac

## ---------------------------------------------------------------- environments

$(RUN): requirements/run.txt
	$(call make_venv,$(VENV))
	@echo "installing $<"
	@$(PY) $(INSTALL) -r $<
	@touch $@

# The test lock contains the run lock's versions; the locks below contain the test lock's and more.
$(TEST): requirements/test.txt $(RUN)
	@echo "installing $<"
	@$(PY) $(INSTALL) -r $<
	@touch $@

$(TEST_ALL): requirements/test-all.txt $(TEST)
	@echo "installing $< (TensorFlow is in it: about 1.5 GB on disk)"
	@$(PY) $(INSTALL) -r $<
	@touch $@

$(AWS_TEST): requirements/aws-test.txt $(TEST)
	@echo "installing $<"
	@$(PY) $(INSTALL) -r $<
	@touch $@

$(BROWSER): requirements/browser.txt $(TEST)
	@echo "installing $<"
	@$(PY) $(INSTALL) -r $<
	@touch $@

$(SAM): $(TOOLS)/sam/.stamp

$(TOOLS)/%/.stamp: requirements/%.txt
	@mkdir -p $(TOOLS)
	$(call make_venv,$(TOOLS)/$*)
	@echo "installing $<"
	@$(TOOLS)/$*/bin/python $(INSTALL) -r $<
	@touch $@
