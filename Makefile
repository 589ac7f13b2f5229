# `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHONDONTWRITEBYTECODE = 1

APPS  := $(patsubst %/.chalice/config.json,%,$(wildcard */.chalice/config.json))
APP   ?= todo-app
STAGE ?= dev
FROM  ?= local
SANDBOX_STAGE ?= local
SANDBOX_DIR   ?= .sandbox
BIN   := .venv/bin
# The newest of those that Lambda and all packages know; Chalice deploys to the runtime of the same version.
PYTHONS := python3.13 python3 python3.12

##@ On this machine
.PHONY: run up down status logs env local
run: .venv/run ## Start the sandbox, follow its log; Ctrl-C stops it (KEEP=1 keeps its data)
	@$(BIN)/python -m sandbox run
up: .venv/run ## Start the sandbox in the background
	@$(BIN)/python -m sandbox up
down: .venv/run ## Stop the sandbox
	@$(BIN)/python -m sandbox down
status: .venv/run ## Print every address
	@$(BIN)/python -m sandbox status
logs: .venv/run ## Follow the log lines of an app's functions: make logs APP=todo-app
	@$(BIN)/python -m sandbox logs $(APP)
env: .venv/run ## Print the variables that point the AWS CLI and Chalice to the sandbox: eval "$$(make env)"
	@$(BIN)/python -m sandbox env
local: .venv/run ## Run `chalice local` on an app against the sandbox: make local APP=todo-app
	@eval "$$($(BIN)/python -m sandbox env)" && cd $(APP) && ../$(BIN)/chalice local --stage local --port $(or $(PORT),8000)

# A command on the sandbox, what the sandbox says of an app, and an option if its variable is given.
on_sandbox = $(BIN)/python -m sandbox status >/dev/null && eval "$$($(BIN)/python -m sandbox env)" && $(BIN)/python
output = "$$($(BIN)/python -m sandbox output $(1) $(2))"
option = $(if $($(2)),--$(1) "$$$(2)")

.PHONY: release-day
release-day: .venv/run ## What the edge takes from the update servers: make release-day CLIENTS=500 SIZE=100 (MB)
	@$(BIN)/python -m bench.release_day $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SIZE),--size $(SIZE))

.PHONY: post devices ingest law
post: .venv/run ## Publish a Markdown file to the sandbox's blog: make post FILE=my-post.md
	@$(on_sandbox) blog-app/author.py $(call output,blog-app,api) blog-app-local-author $(FILE)
devices: .venv/run ## Let more devices send to the sandbox: make devices DEVICES=20 RATE=50 SECONDS=60
	@$(on_sandbox) pipeline-app/devices.py $(call output,pipeline-app,iot_policy) \
	  --endpoint $(call output,pipeline-app,iot_endpoint) --ca $(call output,pipeline-app,iot_ca) \
	  $(call option,devices,DEVICES) $(call option,rate,RATE) $(call option,seconds,SECONDS) $(call option,count,COUNT) \
	  $(call option,seed,SEED) $(call option,start,START) $(call option,faults,FAULTS)
ingest: .venv/run ## Send a file of readings: make ingest FILE=x.csv MAP="ts=time,value=reading" SET="device_id=a,metric=b"
	@$(on_sandbox) pipeline-app/ingest.py $(call output,pipeline-app,stream) "$$FILE" \
	  $(call option,map,MAP) $(call option,set,SET) $(call option,time,TIME) $(if $(filter command,$(origin TZ)),--tz "$$TZ") \
	  $(call option,decimal,DECIMAL) $(call option,encoding,ENCODING)
law: .venv/run ## Prove that no reading is lost and none counted twice: make law READINGS=1000000
	@$(on_sandbox) pipeline-app/law.py $(call output,pipeline-app,api) $(call output,pipeline-app,stream) \
	  $(call option,readings,READINGS)

##@ On AWS (or, after eval "$$(make env)", on the sandbox)
.PHONY: resources deploy package release
resources: .venv/run ## Create or update what outlives a deploy: make resources APP=todo-app STAGE=dev
	@$(BIN)/python -m deploy resources $(APP) $(STAGE) $(PARAMETERS)
deploy: resources ## The quick way, `chalice deploy`: make deploy APP=todo-app STAGE=dev
	@cd $(APP) && ../$(BIN)/chalice deploy --stage $(STAGE)
	@$(BIN)/python -m deploy register $(APP) $(STAGE)
package: resources ## Write the CloudFormation template and zip to dist/: make package APP=todo-app STAGE=prod
	@$(BIN)/python -m deploy package $(APP) $(STAGE)
release: resources ## The production way, package and CloudFormation: make release APP=todo-app STAGE=prod
	@$(BIN)/python -m deploy release $(APP) $(STAGE) $(PARAMETERS)
	@for part in edge delivery; do \
	  if [ -f $(APP)/$$part.yaml ]; then $(BIN)/python -m deploy $$part $(APP) $(STAGE) $(PARAMETERS) || exit 1; fi; \
	done
	@if [ -f $(APP)/edge.yaml ] && [ -f $(APP)/web/index.html ]; then $(BIN)/python -m deploy site $(APP) $(STAGE); fi
.PHONY: redrive
redrive: .venv/run ## Send what failed back to where it came from: make redrive APP=pipeline-app STAGE=dev
	@$(BIN)/python -m deploy redrive $(APP) $(STAGE)
.PHONY: dax
dax: .venv/run ## Create the DAX cluster of an app (costs by the hour), then release with PARAMETERS=Dax=true
	@$(BIN)/python -m deploy dax $(APP) $(STAGE) $(PARAMETERS)
.PHONY: keys rotate-keys
keys: .venv/run ## Make the key that signs links to paid content, if there is none: make keys APP=video-app STAGE=dev
	@$(BIN)/python -m deploy.signing_keys ensure $(APP) $(STAGE) --algorithm $(or $(ALGORITHM),rsa)
rotate-keys: .venv/run ## Replace it without breaking a link, in half an hour: make rotate-keys APP=video-app STAGE=dev
	@$(BIN)/python -m deploy.signing_keys rotate $(APP) $(STAGE) --algorithm $(or $(ALGORITHM),rsa) $(WAITS)

.PHONY: updates
updates: .venv/run ## Deploy the update servers: make updates STAGE=prod TEMPLATE=before, then TEMPLATE=after for the edge
	@$(BIN)/python -m deploy.updates $(or $(TEMPLATE),after) $(STAGE) $(PARAMETERS)

##@ Many services
.PHONY: new-service remove-service openapi sdk clone delete
new-service: .venv/test ## Make a service of the same shape, with tests: make new-service NAME=orders-app
	@$(BIN)/python -m services new $(NAME)
	@$(BIN)/ruff check --quiet --fix $(NAME) tests/$(NAME) && $(BIN)/ruff format --quiet $(NAME) tests/$(NAME)
	@$(BIN)/python -m services openapi $(NAME)
remove-service: .venv/run ## Remove one that is not in git yet: make remove-service NAME=orders-app
	@$(BIN)/python -m services remove $(NAME)
openapi: .venv/run ## Bring an app's openapi.json to what its code says: make openapi APP=todo-app
	@$(BIN)/python -m services openapi $(APP)
sdk: .venv/test node_modules ## Make a client of an app's API: make sdk APP=todo-app LANG=typescript
	@$(BIN)/python -m services sdk $(APP) $(if $(filter typescript,$(LANG)),typescript,python)
clone: .venv/run ## A second stage of everything beside the first: make clone FROM=local TO=feature-x
	@$(BIN)/python -m $(if $(filter $(SANDBOX_STAGE),$(FROM)),sandbox clone $(TO),deploy.stages clone $(FROM) $(TO) $(PARAMETERS))
delete: .venv/run ## Delete a stage with all its data: make delete STAGE=feature-x (FORCE=1: do not ask)
	@$(BIN)/python -m $(if $(wildcard $(SANDBOX_DIR)/$(STAGE)/sandbox.log),sandbox delete $(STAGE),deploy.stages delete $(STAGE) $(if $(FORCE),--force))

##@ For developers
.PHONY: test check lint types test-units test-updates test-localaws test-sandbox test-e2e test-browser test-stages bench format lock clean
test: check ## Everything that must pass: lint, types and all tests
	@$(MAKE) --jobs=2 --output-sync=target --no-print-directory test-e2e test-units test-localaws test-sandbox test-browser
check: lint types
lint: .venv/test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
types: .venv/test $(APPS:%=types-%)
	@$(BIN)/mypy common deploy localaws sandbox services bench updates
types-%: .venv/test
	@cd $* && ../$(BIN)/mypy --config-file ../pyproject.toml *.py chalicelib
test-units: $(APPS:%=test-%) test-updates ## Rules, stores and routes of each app: make test-todo-app for one
test-%: .venv/test
	@$(BIN)/pytest -o pythonpath="$* . tests tests/$*" tests/$*
test-updates: .venv/test ## The update server, its release tool and its client
	@$(BIN)/pytest -o pythonpath=". tests tests/updates" tests/updates
test-localaws: .venv/test ## The local AWS, each service by itself
	@$(BIN)/pytest -o pythonpath=. localaws/tests
test-sandbox: .venv/test node_modules ## What the apps share, how they are deployed, and the parts of the sandbox
	@$(BIN)/pytest -o pythonpath=". tests" tests/common tests/deploy tests/services tests/sandbox
test-e2e: .venv/test node_modules ## The apps as they are deployed in the sandbox
	@$(BIN)/pytest -o pythonpath=". tests" tests/e2e
test-browser: .venv/test chromium ## The pages in a browser and the APIs beside their contracts, in a sandbox of their own
	@$(BIN)/pytest -o pythonpath=". tests" --stage=pages tests/browser tests/contracts
test-stages: .venv/test node_modules ## Two stages at once: all end-to-end tests on both, and nothing of one in the other
	@$(BIN)/pytest -o pythonpath=". tests" tests/stages
bench: .venv/test loadtools ## Speed, as ratios against a peer in the same run
	@$(BIN)/python -m bench
format: .venv/test
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .
lock: ## Pin all packages anew from pyproject.toml
	@./lock.sh
clean: ## Remove what was built or installed here
	rm -rf .venv .sandbox dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/node/node_modules */.chalice/deployments

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null; \
	  else \
	    echo "No Chromium: the browser tests are skipped. On Debian: sudo apt-get install chromium"; \
	  fi; }

node_modules: package-lock.json
	@if ! command -v npm >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Node.js for the generated clients"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm; } >/dev/null; \
	fi; \
	if command -v npm >/dev/null; then \
	  echo "Installing the packages of package-lock.json into node_modules"; \
	  npm ci --silent --no-audit --no-fund --ignore-scripts && touch $@; \
	else \
	  echo "No Node.js: what is made with TypeScript is skipped. On Debian: sudo apt-get install nodejs npm"; \
	fi

.PHONY: loadtools
loadtools:
	@{ command -v wrk && PATH="$$PATH:/usr/sbin" command -v nginx; } >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing nginx and wrk, which the edge is measured with"; \
	    { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light wrk; } >/dev/null; \
	  else \
	    echo "No nginx or wrk: the edge is not measured. On Debian: sudo apt-get install nginx-light wrk"; \
	  fi; }

.venv/bin/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
	    $$python -m venv .venv || { echo "$$python cannot make a virtual environment; on Debian: apt-get install python3-venv"; rm -rf .venv; exit 1; }; \
	    exit 0; \
	  fi; \
	done; \
	echo "Python 3.12 or newer is needed and none of these is one: $(PYTHONS). See .python-version."; exit 1
.venv/run: requirements.txt | .venv/bin/python
	@echo "Installing the packages of requirements.txt into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
.venv/test: requirements-test.txt .venv/run
	@echo "Installing the packages of requirements-test.txt into .venv"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sed 's/\$$\$$/$$/g'
