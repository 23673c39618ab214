# Tomocast. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# go-gl links libEGL and nothing of X with this tag; the window's build adds its own.
export GOFLAGS := -tags=egl -buildvcs=false
PORT ?= 8080
STUDIES ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/tomocast/tomocast/internal/service.version=$(VERSION)

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null)

# ---- everyday ----------------------------------------------------------------------------------------

.PHONY: help
help: ## show this list
	@echo "Tomocast: 3D medical studies in a browser, rendered by a GPU near it."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-10s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  make run takes PORT=8080 and STUDIES=/path/to/a/folder/of/DICOM; without it a demo study opens."

.PHONY: run
run: build ## start broker, edge and viewer, and print the address to open
	@PORT='$(PORT)' STUDIES='$(STUDIES)' deploy/run

.PHONY: build
build: deps bin/cloud-broker bin/edge-renderer ## put cloud-broker and edge-renderer into bin/

.PHONY: test
test: deps-test build lint ## run every test: Go, web and browser
	deploy/test

.PHONY: lint
lint: deps-test web/node_modules web/dist/index.html ## gofmt, go vet, staticcheck, TypeScript, ESLint, every shader
	deploy/lint

.PHONY: bench
bench: deps-bench build ## measure the figures of the README, as a table and as bench.json
	go run ./internal/bench/cmd -json bench.json

.PHONY: deps
deps: ## install the Debian packages that building and running need, saying why
	@deploy/deps build

.PHONY: deps-test
deps-test: deps
	@deploy/deps test

.PHONY: deps-bench
deps-bench: deps-test
	@deploy/deps bench

.PHONY: generate
generate: ## write the JSON Schemas of the contract anew
	cd signaling && go generate .

.PHONY: clean
clean: ## remove what was built
	rm -rf bin web/dist/* web/node_modules bench.json

# ---- files -------------------------------------------------------------------------------------------

bin/cloud-broker bin/edge-renderer: FORCE web/dist/index.html
	@mkdir -p bin
	go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./$(@F)

web/node_modules: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules $(WEB_SOURCES) signaling/schema/contract.schema.json
	cd web && npm run --silent build
	@touch $@

.PHONY: FORCE
FORCE:
