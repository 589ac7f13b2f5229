# `make` alone lists all targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHONDONTWRITEBYTECODE = 1

APPS  := $(patsubst %/.chalice/config.json,%,$(wildcard */.chalice/config.json))
APP   ?= $(or $(filter todo-app,$(APPS)),$(firstword $(APPS)))
ifeq ($(filter $(APPS) all common updates,$(APP)),)
$(error There is no app $(APP). APP is one of: $(APPS))
endif
SANDBOX_STAGE ?= local
BIN   := .venv/bin
# The newest version that Lambda and all packages support; Chalice deploys to the runtime of the same version.
PYTHONS := python3.13 python3 python3.12

##@ On this machine
.PHONY: run up down status logs clock down-region up-region env local
# A taken port is found before anything is installed.
.PHONY: ports
ports: | .venv/bin/python
	@$(BIN)/python -m sandbox.ports
# Many tools read a variable DEBUG of the shell, so only one of the command line counts.
ports run up: export SANDBOX_DEBUG = $(if $(filter command,$(origin DEBUG)),$(DEBUG))
run: ports .venv/run ## Start the sandbox, follow its log; Ctrl-C stops it (KEEP=1 keeps its data; DEBUG=todo-app takes a debugger)
	@$(BIN)/python -m sandbox run
up: ports .venv/run ## Start the sandbox in the background
	@$(BIN)/python -m sandbox up
down: .venv/run ## Stop the sandbox
	@$(BIN)/python -m sandbox down
status: .venv/run ## Print every address, and what each process uses
	@$(BIN)/python -m sandbox status
logs: .venv/run ## Follow the log lines of an app's functions: make logs APP=todo-app
	@$(BIN)/python -m sandbox logs $(APP)
clock: .venv/run ## Turn the clock of the sandbox forward: make clock TURN=+1d
	@$(BIN)/python -m sandbox clock $(TURN)
down-region: .venv/run ## Take a Region of the sandbox away: make down-region REGION=eu-west-1
	@$(BIN)/python -m sandbox down-region $(call need,REGION,eu-west-1)
up-region: .venv/run ## Bring a Region of the sandbox back: make up-region REGION=eu-west-1
	@$(BIN)/python -m sandbox up-region $(call need,REGION,eu-west-1)
env: .venv/run ## Print the variables that point the AWS CLI and Chalice to the sandbox: eval "$$(make env)"
	@$(BIN)/python -m sandbox env
local: .venv/run ## Run `chalice local` on an app against the sandbox: make local APP=todo-app (OPEN=1: routes for IAM need no signature)
	@$(if $(OPEN),CHALICE_LOCAL_OPEN=1) $(BIN)/python -m sandbox local $(APP) $(or $(PORT),8000)

# A variable of the user as one word of a command, whatever is in it: make would expand a $, and the shell would split.
quoted = '$(subst ','\'',$(value $(1)))'
# A command of the sandbox, an output of an app, and an option if its variable is set.
on_sandbox = variables="$$($(BIN)/python -m sandbox env)" && eval "$$variables" && $(BIN)/python
output = "$$($(BIN)/python -m sandbox output $(1) $(2))"
option = $(if $(value $(2)),--$(1) $(call quoted,$(2)))

.PHONY: gameday
gameday: .venv/run ## Cause faults in a sandbox of its own, and see each alarm raised, mended and cleared: make gameday FAULT="cleansing fails"
	@$(BIN)/python -m sandbox.gameday $(call option,fault,FAULT)

.PHONY: soak
soak: .venv/run .soak/installed ## Load all systems of a sandbox of its own, with faults and a restart, and balance the books: make soak MINUTES=10
	@$(BIN)/python -m sandbox.soak $(call option,minutes,MINUTES) $(call option,users,USERS)

.PHONY: release-day
release-day: .venv/run ## Measure how much load the edge takes off the update servers: make release-day CLIENTS=500 SIZE=100 (MB)
	@$(BIN)/python -m bench.release_day $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SIZE),--size $(SIZE))

.PHONY: post devices ingest reconcile law
post: .venv/run ## Publish a Markdown file to the sandbox's blog (blog-app/README.md has its format): make post FILE=my-post.md
	@$(on_sandbox) -m tools.author $(call output,blog-app,api) blog-app-local-author "$(call need,FILE,my-post.md)" \
	  --site $(call output,blog-app,site)
# Make would expand them for the environment of the commands.
unexport MAP SET
devices ingest reconcile: export PYTHONPATH = pipeline-app
post: export PYTHONPATH = blog-app
devices: .venv/run ## Simulate more devices that send to the sandbox: make devices DEVICES=20 RATE=50 SECONDS=60
	@$(on_sandbox) -m tools.simulate $(call output,pipeline-app,iot_policy) --topics $(call output,pipeline-app,device_topics) \
	  --endpoint $(call output,pipeline-app,iot_endpoint) --ca $(call output,pipeline-app,iot_ca) \
	  $(call option,devices,DEVICES) $(call option,rate,RATE) $(call option,seconds,SECONDS) $(call option,count,COUNT) \
	  $(call option,seed,SEED) $(call option,start,START) $(call option,faults,FAULTS)
ingest: .venv/run ## Send a file of readings: make ingest FILE=x.csv MAP="ts=time,value=reading" SET="device_id=a,metric=b"
	@$(on_sandbox) -m tools.ingest $(call output,pipeline-app,stream) $(call quoted,FILE) \
	  $(call option,map,MAP) $(call option,set,SET) $(call option,time,TIME) $(if $(filter command,$(origin TZ)),--tz $(call quoted,TZ)) \
	  $(call option,decimal,DECIMAL) $(call option,encoding,ENCODING) $(if $(REPLACE),--replace)
reconcile: .venv/run ## Prove that no reading is lost and none is counted twice: make reconcile READINGS=1000000
	@$(on_sandbox) -m tools.reconcile $(call output,pipeline-app,api) $(call output,pipeline-app,stream) \
	  $(call option,readings,READINGS)
law: reconcile

# A variable that has no default: make stops with one line that names it.
need = $(or $($(1)),$(error $(1) is not set, for example: make $@ $(1)=$(2)))
stage = $(call need,STAGE,dev)

##@ On AWS (or, after eval "$$(make env)", on the sandbox). Each first prints where it acts
# These take every app, unless APP is given.
every_app = $(if $(filter file,$(origin APP)),all,$(APP))
.PHONY: preflight cost bootstrap resources deploy package release
preflight: .venv/run ## List what the account and the Region lack for a release, with what mends it: make preflight STAGE=prod
	@$(BIN)/python -m deploy preflight $(every_app) $(stage) $(PARAMETERS)
cost: .venv/run ## Print what a stage costs, idle and for each unit of work, with and without each cache: make cost STAGE=prod
	@$(BIN)/python -m deploy cost $(every_app) $(stage) $(PARAMETERS)
bootstrap: .venv/run ## Make what an account needs once for each Region: a bucket for code, API Gateway's role for logs
	@$(BIN)/python -m deploy bootstrap
release: .venv/run ## Package and deploy by CloudFormation, for production: make release APP=all STAGE=prod
	@$(BIN)/python -m deploy release $(APP) $(stage) $(PARAMETERS) $(call option,regions,REGIONS)
deploy: .venv/run ## Deploy an app by `chalice deploy`, the quick way: make deploy APP=todo-app STAGE=dev
	@$(BIN)/python -m deploy deploy $(APP) $(stage) $(PARAMETERS)
.PHONY: budget
budget: .venv/run ## Mail before a month of the account costs more than a limit: make budget LIMIT=300 EMAIL=ops@example.com (USD)
	@$(BIN)/python -m deploy budget $(call need,LIMIT,300) "$(call need,EMAIL,ops@example.com)"
resources: .venv/run ## Deploy what outlives the app, its tables and buckets: make resources APP=todo-app STAGE=dev
	@$(BIN)/python -m deploy resources $(APP) $(stage) $(PARAMETERS)
package: .venv/run ## Write the CloudFormation template and the zip to dist/: make package APP=todo-app STAGE=prod
	@$(BIN)/python -m deploy package $(APP) $(stage) $(PARAMETERS)
.PHONY: verify
verify: .venv/run ## Walk a user's journey through every app of a stage, or one: make verify STAGE=dev (APP=todo-app)
	@$(BIN)/python -m deploy verify $(every_app) $(stage) $(if $(LONGEST),--longest $(LONGEST))
.PHONY: attack
# Without STAGE: the stage of the sandbox that runs in this folder.
attack: .venv/run ## Try what an attacker tries on every app of a stage, or of the sandbox: make attack (STAGE=dev APP=todo-app CASE="expired")
	@$(if $(STAGE),$(BIN)/python,$(on_sandbox)) -m deploy attack $(every_app) $(or $(STAGE),$(SANDBOX_STAGE)) $(call option,case,CASE)
.PHONY: redrive dashboards
dashboards: .venv/run ## Make a dashboard of CloudWatch for each app of a stage, for 3 USD a month each: make dashboards STAGE=prod
	@$(BIN)/python -m deploy dashboards $(stage)
redrive: .venv/run ## Send failed messages back to where they came from: make redrive APP=pipeline-app STAGE=dev
	@$(BIN)/python -m deploy redrive $(APP) $(stage)
.PHONY: close open
close: .venv/run ## Let a route of an API answer 503 within seconds: make close APP=blog-app STAGE=prod ROUTE="POST /subscribers"
	@$(BIN)/python -m deploy close $(APP) $(stage) "$(call need,ROUTE,POST /subscribers)"
open: .venv/run ## Serve a closed route again: make open APP=blog-app STAGE=prod ROUTE="POST /subscribers"
	@$(BIN)/python -m deploy open $(APP) $(stage) "$(call need,ROUTE,POST /subscribers)"
.PHONY: restore-table restore-objects
restore-table: .venv/run ## Put back the items that a table had: make restore-table APP=todo-app STAGE=dev TABLE=todos TIME=2030-01-31T09:00:00Z
	@$(BIN)/python -m deploy restore-table $(APP) $(stage) "$(call need,TABLE,todos)" "$(call need,TIME,2030-01-31T09:00:00Z)" \
	  $(if $(CHANGED),--changed) $(if $(FORCE),--force)
restore-objects: .venv/run ## Bring back deleted objects of a bucket: make restore-objects APP=todo-app STAGE=prod BUCKET=files PREFIX=users/
	@$(BIN)/python -m deploy restore-objects $(APP) $(stage) "$(call need,BUCKET,files)" $(call quoted,PREFIX) \
	  $(call option,since,SINCE) $(if $(FORCE),--force)
.PHONY: dax
dax: .venv/run ## Deploy the DAX cluster of an app, which costs by the hour: make dax APP=todo-app STAGE=dev
	@$(BIN)/python -m deploy dax $(APP) $(stage) $(PARAMETERS)
.PHONY: keys rotate-keys
keys: .venv/run ## Create the key that signs links to paid content, if there is none: make keys APP=video-app STAGE=dev
	@$(BIN)/python -m deploy keys $(APP) $(stage) --algorithm $(or $(ALGORITHM),rsa)
rotate-keys: .venv/run ## Replace that key in half an hour, without breaking a link: make rotate-keys APP=video-app STAGE=dev
	@$(BIN)/python -m deploy rotate-keys $(APP) $(stage) --algorithm $(or $(ALGORITHM),rsa) $(WAITS)

.PHONY: updates
updates: .venv/run ## Deploy the update servers: make updates STAGE=prod TEMPLATE=before, then TEMPLATE=after for the edge
	@$(BIN)/python -m deploy release updates $(stage) Template=$(or $(TEMPLATE),after) $(PARAMETERS)

.PHONY: publish withdraw renew-root
publish: .venv/run ## Release software to the update servers: make publish STAGE=prod FILE=app-1.2.0.bin VERSION=1.2.0
	@$(BIN)/python -m deploy publish $(stage) "$(call need,FILE,app-1.2.0.bin)" "$(call need,VERSION,1.2.0)" \
	  $(call option,channel,CHANNEL) $(WAVES:%=--wave %) $(call option,root-key,ROOT_KEY)
withdraw: .venv/run ## Stop offering a release: make withdraw STAGE=prod VERSION=1.2.0
	@$(BIN)/python -m deploy withdraw $(stage) "$(call need,VERSION,1.2.0)" $(call option,channel,CHANNEL)
renew-root: .venv/run ## Sign the root of the releases for another year: make renew-root STAGE=prod ROOT_KEY=root.pem
	@$(BIN)/python -m deploy renew-root $(stage) "$(call need,ROOT_KEY,root.pem)" $(if $(ROTATE),--rotate)

##@ Many services
.PHONY: new-service rename-app remove-service openapi sdk clone delete
new-service: .venv/test ## Create a service of the same shape, with tests: make new-service NAME=orders-app
	@$(BIN)/python -m services new "$(call need,NAME,orders-app)"
rename-app: .venv/test ## Rename an app, and its noun, everywhere: make rename-app FROM=orders-app TO=sales-app NOUN=sale
	@$(BIN)/python -m services rename "$(call need,FROM,orders-app)" "$(call need,TO,sales-app)" $(if $(value NOUN),$(call quoted,NOUN))
remove-service: .venv/run ## Remove a service that is not in git: make remove-service NAME=orders-app
	@$(BIN)/python -m services remove $(NAME)
openapi: .venv/run ## Write an app's openapi.json from its code: make openapi APP=todo-app
	@$(BIN)/python -m services openapi $(APP)
sdk: .venv/test node_modules ## Generate a client of an app's API: make sdk APP=todo-app LANG=typescript
	@$(BIN)/python -m services sdk $(APP) $(if $(filter typescript,$(LANG)),typescript,python)
clone: .venv/run ## Clone a stage; FROM=local is the sandbox's own: make clone FROM=local TO=feature-x
	@$(BIN)/python -m $(if $(filter $(SANDBOX_STAGE),$(call need,FROM,local)),sandbox clone $(call need,TO,feature-x),deploy clone $(FROM) $(call need,TO,feature-x) $(PARAMETERS))
delete: .venv/run ## Delete a stage with all its data: make delete STAGE=feature-x (SANDBOX=1: the sandbox's; FORCE=1: do not ask)
	@$(BIN)/python -m $(if $(SANDBOX),sandbox delete $(stage),deploy delete $(stage) $(if $(FORCE),--force))

##@ For developers
# The zips of the apps, which Chalice adds itself to, the layer of DAX, the update server and its publisher.
DEPLOYED = $(APPS:%=%/requirements.txt) deploy/dax-requirements.txt updates/origin/requirements.txt updates/publisher-requirements.txt
packages = $(shell sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' $(1))
# Parts of the names of licenses.
PERMISSIVE := MIT;BSD;Apache;ISC;PSF;Python Software Foundation;Unlicense
WEAK_COPYLEFT := Mozilla;EPL;LGPL
license_table = .licenses/bin/pip-licenses --python=$(BIN)/python --packages $(1) --with-system --from=mixed --allow-only="$(2)" --partial-match

.PHONY: test check lint types test-units test-updates test-localaws test-sandbox test-e2e test-browser test-stages audit licenses sbom scan parity docs screenshots mutants weakened bench format lock clean
LANES := test-e2e test-localaws test-browser test-sandbox test-units check
test: ## Run all checks: lint, types and all tests, in lanes side by side
	@$(MAKE) --jobs=2 --no-print-directory .venv/test node_modules chromium
	@$(MAKE) --jobs=4 --keep-going --no-print-directory $(LANES:%=lane-%)
lane-%: # each line of a lane begins with its name; the tests wait as long as they compute, hence four lanes on two cores
	@set -o pipefail; $(MAKE) --no-print-directory $* 2>&1 | sed --unbuffered 's/^/$*: /'
check: lint types
lint: .venv/test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
types: .venv/test # one after the other: they share a cache
	@for app in $(APPS); do $(MAKE) --no-print-directory types-$$app || exit 1; done
	@$(BIN)/mypy common deploy localaws sandbox services bench updates docs
types-%: .venv/test
	@cd $* && ../$(BIN)/mypy --config-file ../pyproject.toml *.py chalicelib $(notdir $(wildcard $*/tools))
test-units: $(APPS:%=test-%) test-updates ## Test the rules, stores and routes of each app: make test-todo-app for one
test-%: .venv/test
	@$(BIN)/pytest -o pythonpath="$* . tests tests/$*" tests/$*
test-updates: .venv/test ## Test the update server, its release tool and its client
	@$(BIN)/pytest -o pythonpath=". tests tests/updates" tests/updates
test-localaws: .venv/test ## Test each service of the local AWS
	@$(BIN)/pytest -o pythonpath=. localaws/tests
test-sandbox: .venv/test node_modules ## Test the shared code, the deployment and the sandbox
	@$(BIN)/pytest -o pythonpath=". tests" tests/common tests/deploy tests/services tests/sandbox
test-e2e: .venv/test node_modules ## Test the apps as deployed in the sandbox
	@$(BIN)/pytest -o pythonpath=". tests" tests/e2e
test-browser: .venv/test node_modules chromium ## Test the pages in a browser, and the APIs against their contracts, in a separate sandbox
	@$(BIN)/pytest -o pythonpath=". tests" --stage=pages tests/browser tests/contracts
test-stages: .venv/test node_modules ## Run all end-to-end tests on two stages at once, and check that they share no data
	@$(BIN)/pytest -o pythonpath=". tests" tests/stages
audit: .venv/run ## Judge the templates, the permissions and the pipelines with other tools: make audit TOOL=checkov for one
	@$(BIN)/python -m deploy.audit $(if $(TOOL),--tool $(TOOL))
parity: .venv/run ## Compare the local AWS with answers recorded on AWS: make parity AWS_CASES="../localstack ../moto" SUITE=S3
	@$(BIN)/python -m localaws.parity $(call need,AWS_CASES,"../localstack ../moto") $(if $(SUITE),--suite "$$SUITE")
licenses: .venv/run .licenses/installed ## List the licenses of the packages, and fail if one is not allowed
	@echo "In what is deployed" && $(call license_table,chalice $(call packages,$(DEPLOYED)),$(PERMISSIVE))
	@echo "In what runs on this machine" && $(call license_table,$(call packages,requirements.txt),$(PERMISSIVE);$(WEAK_COPYLEFT))
sbom: .licenses/installed ## Write the packages of each zip to dist/sbom, in the format CycloneDX
	@mkdir -p dist/sbom
	@for file in $(DEPLOYED) requirements.txt; do \
	  name=$${file%requirements.txt} && name=$${name%[/-]} && name=dist/sbom/$$(echo "$${name:-suite}" | tr / -).cdx.json && \
	  { cat $$file; case $$file in *-app/*) awk '/^[a-z]/ {chalice = /^chalice==/} chalice' requirements.txt;; esac; } | \
	  .licenses/bin/cyclonedx-py requirements --output-reproducible --output-file $$name - && echo $$name || exit 1; \
	done
scan: .venv/run .licenses/installed ## Look for known vulnerabilities in the locked versions; asks osv.dev and npm's registry
	@$(BIN)/python -m deploy.scan
screenshots: .venv/test chromium ## Draw the whole and take the pictures of the README, while the sandbox runs
	@$(BIN)/python -m sandbox.pictures
docs: .venv/run .docs/installed ## Build the documentation as a site, with search and the references of the APIs, in dist/docs
	@$(BIN)/python -m docs.site
mutants: .venv/test .mutants/installed ## Change the code in small ways and list the changes that no unit test notices: make mutants APP=todo-app SAMPLE=50 (KIND=number)
	@nice .mutants/bin/python -m bench.mutants $(if $(filter file,$(origin APP)),,--app $(APP)) $(call option,sample,SAMPLE) $(call option,kind,KIND) $(call option,module,MODULE)
weakened: .venv/run ## Take the guards from a copy, attack it as `make attack` does, and check that every attack succeeds
	@$(BIN)/python -m bench.weakened
bench: .venv/test loadtools ## Measure speed, as ratios to a peer in the same run, and write docs/figures.md (15 minutes)
	@$(BIN)/python -m bench
format: .venv/test
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .
lock: ## Pin all packages with their hashes; UPGRADE=1 takes the newest versions
	@UPGRADE=$(UPGRADE) ./lock.sh
clean: ## Remove everything that was built or installed here
	rm -rf .venv .sandbox .parity .audit .licenses .mutants .weakened .soak .bench .docs dist .pytest_cache .mypy_cache .ruff_cache .hypothesis node_modules */.chalice/deployments

.PHONY: chromium
chromium: | node_modules # two runs of apt-get exclude each other; the headless shell takes a quarter of the CPU time for the same pages
	@command -v chromium-headless-shell >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	      "$$(apt-cache show chromium-headless-shell 2>/dev/null | grep --quiet . && echo chromium-headless-shell || echo chromium)"; \
	    } >/dev/null || command -v chromium >/dev/null; \
	  elif ! command -v chromium >/dev/null; then \
	    echo "No Chromium: the browser tests are skipped. On Debian: sudo apt-get install chromium-headless-shell"; \
	  fi; }

node_modules: package-lock.json
	@if ! command -v npm >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Node.js for the generated clients and the tests"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm; } >/dev/null; \
	fi; \
	if command -v npm >/dev/null; then \
	  echo "Installing the packages of package-lock.json into node_modules"; \
	  npm ci --silent --no-audit --no-fund --ignore-scripts && touch $@; \
	else \
	  echo "No Node.js: the targets that need TypeScript are skipped. On Debian: sudo apt-get install nodejs npm"; \
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
	@$(install)
	@touch $@
.venv/test: requirements-test.txt .venv/run
	@$(install)
	@touch $@
# Without a network pip prints ten lines. They are in its log.
install = echo "Installing the packages of $< into $(@D), which takes one to three minutes the first time" && \
  { $(@D)/bin/pip install --log $(@D)/pip.log --disable-pip-version-check --require-hashes -r $< >/dev/null 2>&1 || { \
    echo "$<: $$(sed -n 's/.*ERROR: //p' $(@D)/pip.log | tail -n 1). The packages are downloaded once: connect to a network and run the command again. The log is $(@D)/pip.log" >&2; \
    exit 1; }; }

.mutants/installed: bench/mutants/requirements.txt
.licenses/installed: deploy/licenses/requirements.txt
.soak/installed: sandbox/soak/requirements.txt
.docs/packages: docs/site/requirements.txt
.mutants/installed .licenses/installed .soak/installed .docs/packages: | .venv/bin/python
	@$(BIN)/python -m venv $(@D)
	@$(install)
	@touch $@
.docs/installed: .docs/packages docs/site/package-lock.json
	@command -v npm >/dev/null || { echo "make docs needs npm, for the renderer of the diagrams. On Debian: sudo apt-get install nodejs npm"; exit 1; }
	@cp docs/site/package.json docs/site/package-lock.json .docs/
	@npm ci --prefix .docs --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sed 's/\$$\$$/$$/g'
