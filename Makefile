# fio: watches the integrity of the files on every node of a Kubernetes cluster.
# `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The image to build, load and deploy.
IMG ?= localhost/fio:dev
# Where the operator lives.
NAMESPACE ?= openshift-file-integrity
# Which cluster: kind, local or current; by default what works here.
CLUSTER ?=
export CLUSTER IMG NAMESPACE

KUBECTL = hack/cluster kubectl
# Where cargo puts what it builds.
CARGO_TARGET_DIR ?= target
BINARY := $(CARGO_TARGET_DIR)/release/fio

.PHONY: help build test unit api-test e2e soak lint image demo cluster-up cluster-down run deploy undeploy crd

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## Build the program (target/release/fio, or where CARGO_TARGET_DIR says)
	cargo build --locked --release

test: unit api-test e2e ## Run all tests, on a real API server and a real cluster

unit: ## Run the unit tests, and those with a real AIDE
	FIO_AIDE="$$(hack/aide)" cargo test --locked --lib --bins

api-test: ## Run the tests against a real API server (no nodes)
	FIO_AIDE="$$(hack/aide)" hack/with-apiserver cargo test --locked --test api --features apiserver -- --test-threads=8

e2e: image cluster-up ## Run the end-to-end tests on a cluster
	hack/cluster load-image $(IMG)
	hack/deploy apply
	@# The demo's FileIntegrity holds the nodes that the tests need for themselves.
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	@# So that no test has to wait for what it builds. If it fails, so does the test that needs it.
	-hack/monitoring prepare
	cargo test --locked --test e2e --features e2e

soak: image cluster-up ## Watch idle nodes for an hour, with pods coming and going: no false alarm
	hack/cluster load-image $(IMG)
	hack/deploy apply
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	hack/soak

lint: ## Check formatting, clippy, dependencies and shell scripts
	hack/lint

image: build ## Build the image
	hack/image --tag $(IMG) --binary $(BINARY)

demo: image ## Show it all: cluster, operator, changes on a node, the alarm, and back
	hack/demo

cluster-up: ## Start a cluster with two nodes
	hack/cluster up

cluster-down: ## Stop it, and remove all that it left
	hack/cluster down

run: build ## Run the operator on this machine against the current kubeconfig
	FIO_AIDE="$$(hack/aide)" RELATED_IMAGE_OPERATOR=$(IMG) $(BINARY) operator --namespace $(NAMESPACE)

deploy: ## Deploy the operator (IMG, NAMESPACE)
	hack/deploy apply

undeploy: ## Remove the operator and everything of it
	hack/deploy delete

crd: ## Print the CustomResourceDefinitions into manifests/
	cargo run --locked --quiet -- crd > manifests/crd/crds.yaml.new
	mv manifests/crd/crds.yaml.new manifests/crd/crds.yaml
