# Everything a developer runs. `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# A dirty tree is marked as such, so that no binary claims to be a commit that it is not.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
PLATFORMS ?= linux/amd64 linux/arm64
PROGRAMS  ?= streamer manager kubectl-certstream
IMAGE   ?= certstream-operator/streamer:$(VERSION)
OPERATOR_IMAGE ?= certstream-operator/operator:$(VERSION)

LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
BUILD   := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

# What is fetched and built for development lives outside the repository, one folder per version.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/certstream-operator
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0
GOLANGCI_LINT := $(CACHE)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
GOVULNCHECK   := $(CACHE)/govulncheck-$(GOVULNCHECK_VERSION)/govulncheck
CORPUS        := $(CACHE)/corpus-$(shell cat hack/corpus/go.mod hack/corpus/*.go 2>/dev/null | cksum | cut -d' ' -f1).bin

# Arguments for the demo, for example `make demo ARGS="--rate 20000 --no-view"`.
ARGS ?=

##@ Try it

.PHONY: demo
demo: bin/streamer $(CORPUS) ## Stream real certificates from an embedded CT log pair (ARGS="--help" shows the flags).
	@bin/streamer demo --corpus $(CORPUS) $(ARGS)

##@ Build

.PHONY: build
build: ## Build static binaries of streamer, manager and kubectl plugin (PLATFORMS) into dist/.
	@for platform in $(PLATFORMS); do for program in $(PROGRAMS); do \
	  os=$${platform%/*} arch=$${platform#*/}; \
	  echo "building dist/$$program-$$os-$$arch"; \
	  GOOS=$$os GOARCH=$$arch $(BUILD) -o dist/$$program-$$os-$$arch ./cmd/$$program; \
	done; done

.PHONY: bin/streamer
bin/streamer: ## Build the streamer for this machine into bin/.
	@$(BUILD) -o $@ ./cmd/streamer

.PHONY: bin/kubectl-certstream
bin/kubectl-certstream: ## Build the kubectl plugin for this machine into bin/.
	@$(BUILD) -o $@ ./cmd/kubectl-certstream

.PHONY: image
image: build ## Build image tarballs of the Dockerfile's targets into dist/, without a container engine.
	@hack/mkimage/rootfs.sh dist/rootfs
	@for platform in $(PLATFORMS); do \
	  file=$${platform%/*}-$${platform#*/}; \
	  common=(-platform $$platform -arg VERSION=$(VERSION) -arg COMMIT=$(COMMIT) \
	    -file /out/rootfs/system=dist/rootfs/system -file /out/rootfs/user=dist/rootfs/user); \
	  go run ./hack/mkimage -target streamer -name $(IMAGE) "$${common[@]}" \
	    -file /out/streamer=dist/streamer-$$file -o dist/streamer-image-$$file.tar; \
	  go run ./hack/mkimage -target operator -name $(OPERATOR_IMAGE) "$${common[@]}" \
	    -file /out/manager=dist/manager-$$file -o dist/operator-image-$$file.tar; \
	done

.PHONY: dist
dist: ## Write the plain manifests with their images set into dist/install.yaml (OPERATOR_IMAGE, IMAGE).
	@OPERATOR_IMAGE=$(OPERATOR_IMAGE) STREAMER_IMAGE=$(IMAGE) hack/dist.sh dist/install.yaml

.PHONY: generate
generate: ## Regenerate what is generated: the CRD, roles, charts, reference documentation.
	@go generate ./...

.PHONY: clean
clean: ## Remove build output.
	@rm -rf bin dist

##@ Check

.PHONY: test
test: ## Unit tests with the race detector.
	@hack/test.sh

.PHONY: verify
verify: $(GOLANGCI_LINT) ## Formatting, vet, lint, generated files, module files, known vulnerabilities.
	@GOLANGCI_LINT=$(GOLANGCI_LINT) GOVULNCHECK=$(GOVULNCHECK) hack/verify.sh

.PHONY: charts
charts: ## Check charts and manifests: helm lint, unit tests, kubeconform, kube-score; lint of the workflows.
	@CACHE=$(CACHE) hack/charts-check.sh

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Only golangci-lint.
	@$(GOLANGCI_LINT) run ./...

.PHONY: clients
clients: bin/streamer $(CORPUS) ## Run clients nobody here wrote against the demo: Python, npm, a browser.
	@CACHE=$(CACHE) STREAMER=$(CURDIR)/bin/streamer CORPUS=$(CORPUS) hack/clients/run.sh

.PHONY: realct
realct: ## Follow CT log servers nobody here wrote, built from their modules.
	@hack/realct/run.sh

.PHONY: e2e
e2e: ## Test operator and streamer on a real kubelet: a cluster of its own, or KUBECONFIG's (E2E_DEPTH=2 tests all).
	@CACHE=$(CACHE) hack/e2e.sh $(ARGS)

.PHONY: scale
scale: ## Measure the operator with 500 CertStreams on a real API server: API writes, memory, reconciles (minutes).
	@hack/scale.sh $(ARGS)

.PHONY: fuzz
fuzz: ## Fuzz every parser of outside bytes (MINUTES=30 in total; KEEP=1 keeps what was found worth it in testdata).
	@hack/fuzz.sh

.PHONY: soak
soak: ## Kill the streamer and let logs misbehave, hold what clients get against the logs (45 min; ARGS="-help" shows the flags).
	@go run ./hack/soak $(ARGS)

.PHONY: bench
bench: ## Benchmarks of whole paths, each beside a named baseline.
	@go run ./hack/bench $(ARGS)

##@ Cluster

.PHONY: cluster-build
cluster-build: ## Build the programs of a one-node test cluster from their modules into the cache (minutes, once; root, Debian).
	@CACHE=$(CACHE) hack/cluster/build.sh

.PHONY: cluster-up
cluster-up: cluster-build ## Start a one-node test cluster; hack/cluster/enter.sh COMMAND runs a command in it.
	@CACHE=$(CACHE) hack/cluster/up.sh

.PHONY: cluster-down
cluster-down: ## Stop the test cluster and remove all it left.
	@hack/cluster/down.sh

##@ Tools

.PHONY: tools
tools: $(GOLANGCI_LINT) $(GOVULNCHECK) ## Build the pinned tools into the cache (CACHE).

# GOFLAGS and GOBIN of the caller must not change what is built or where it goes.
$(GOLANGCI_LINT):
	@echo "building golangci-lint $(GOLANGCI_LINT_VERSION) from its module (minutes, once)"
	@cd / && GOFLAGS= GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(GOVULNCHECK):
	@echo "building govulncheck $(GOVULNCHECK_VERSION) from its module"
	@cd / && GOFLAGS= GOBIN=$(@D) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(CORPUS):
	@echo "reading real certificates out of pinned Go modules' test data (once)"
	@mkdir -p $(@D) && cd hack/corpus && GOFLAGS=-mod=mod go run . -o $@

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make TARGET\n"} \
	  /^[a-zA-Z0-9_\/-]+:.*?##/ { printf "  %-14s %s\n", $$1, $$2 } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) }' $(MAKEFILE_LIST)
