# fio: watches the integrity of the files on every node of a Kubernetes cluster.
# `make help` lists the targets and the variables.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Variables

IMAGE_REPO ?= image-not-set.invalid## Where images are pushed to and pulled from; push, deploy and releases need it, or IMG
TAG ?= latest## Their tag
IMG ?= $(IMAGE_REPO)/file-integrity-operator:$(TAG)## The operator's image
BUNDLE_IMG ?= $(IMAGE_REPO)/file-integrity-operator-bundle:$(TAG)## The OLM bundle's image
CATALOG_IMG ?= $(IMAGE_REPO)/file-integrity-operator-catalog:$(TAG)## The OLM catalog's image
VERSION ?=## The release, X.Y.Z; needed by the targets for releases
NAMESPACE ?= openshift-file-integrity## Where the operator lives
CATALOG_DEPLOY_NS ?= $(NAMESPACE)## Where catalog-deploy puts it
OVERLAY ?=## kubernetes or openshift; by default what the cluster is
REPLICAS ?= 1## Operators; 2 for one that stands by
RUNTIME ?=## docker, podman or buildah; by default the first that works
PLATFORMS ?=## linux/amd64,linux/arm64: images for both; by default this machine's
CLUSTER ?=## kind, local or current; by default what works here
GIT_REMOTE ?= origin## Where releases are pushed to
PART ?=## scan, daemon, operator, api, latency or rollout: what bench measures; by default all
BASE ?=## A commit: bench measures its build, too, and compares
NODES ?=## Sizes of the simulated fleets of bench, such as 10,100,1000,5000
SOAK_SECONDS ?= 3600## How long soak takes
FUZZ_SECONDS ?= 60## How long fuzz runs, all targets together
DIFFER_SECONDS ?= 600## How long differ runs, for each version of AIDE
CARGO_TARGET_DIR ?= target## Where cargo puts what it builds

export IMAGE_REPO TAG IMG BUNDLE_IMG CATALOG_IMG NAMESPACE CATALOG_DEPLOY_NS
export OVERLAY REPLICAS RUNTIME PLATFORMS CLUSTER GIT_REMOTE PART BASE NODES
# An empty VERSION is none: scripts then take that of Cargo.toml.
ifneq ($(strip $(VERSION)),)
export VERSION
endif

# An image for clusters of this machine, which is never pushed.
DEV_IMG := localhost/fio:dev
KUBECTL = hack/cluster kubectl
# Who asked the API server for what in api-test, for audit-rbac.
API_AUDIT_LOG := .cluster/api-audit.log
# The AIDEs that tests run: today's, and those of Debian's releases.
AIDES = FIO_AIDE="$$(hack/aide)" FIO_AIDE_BULLSEYE="$$(hack/aide bullseye)" \
  FIO_AIDE_BOOKWORM="$$(hack/aide bookworm)" FIO_AIDE_TRIXIE="$$(hack/aide trixie)"
BINARY := $(CARGO_TARGET_DIR)/release/fio

##@ Build

.PHONY: help build image image-from-source images bundle-image manifests crd bundle install-yaml sbom
help: ## List the targets and variables
	@awk 'BEGIN { FS = ":.*## |\\?=.*## *|## *" } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 } \
	  /^[A-Z_]+ \?=.*##/ { printf "  %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program (target/release/fio, or where CARGO_TARGET_DIR says)
	hack/build

# Images for several platforms compile the program in the Containerfile.
image: $(if $(strip $(PLATFORMS)),,build) ## Build the operator's image (IMG, PLATFORMS)
	hack/image --tag $(IMG) $(if $(strip $(PLATFORMS)),,--binary $(BINARY))

image-from-source: ## The same, compiled in the Containerfile as for releases; runs fio version in it
	hack/image --tag $(IMG) --from-source

images: image bundle-image ## Build the images of operator and bundle

manifests: crd bundle ## Renew what is made from the program's types: definitions, reference, bundle

crd: ## Print the CustomResourceDefinitions into manifests/, and their fields into docs/
	hack/packages cc
	cargo run --locked --quiet -- crd > manifests/crd/crds.yaml.new
	mv manifests/crd/crds.yaml.new manifests/crd/crds.yaml
	mkdir -p docs/reference
	cargo run --locked --quiet -- crd --output markdown > docs/reference/fileintegrity.md.new
	mv docs/reference/fileintegrity.md.new docs/reference/fileintegrity.md

install-yaml: ## Write out/install.yaml and out/install-openshift.yaml: all of it in one file (IMG, NAMESPACE)
	mkdir -p out
	OVERLAY=kubernetes hack/deploy render > out/install.yaml.new
	mv out/install.yaml.new out/install.yaml
	OVERLAY=openshift hack/deploy render > out/install-openshift.yaml.new
	mv out/install-openshift.yaml.new out/install-openshift.yaml

sbom: ## Write out/fio.cdx.json: what the program is made of (CycloneDX)
	hack/sbom out/fio.cdx.json

reproducible: ## Build the program twice, from nothing, and compare
	hack/reproducible

##@ Test

.PHONY: test fuzz unit differ test-unit containerfile-test api-test release-test olm-test e2e chaos audit-rbac soak bench demo lint verify reproducible
# All features in each: with others the library and the program would be compiled anew for each.
test: unit containerfile-test fuzz api-test release-test e2e audit-rbac ## Run all tests, on a real API server and a real cluster

unit: ## Run the unit tests, and those with real AIDEs
	hack/packages cc
	$(AIDES) cargo test --locked --lib --bins --all-features

differ: ## Compare converted configurations with what AIDE 0.17, 0.18 and 0.19 make of the originals (DIFFER_SECONDS)
	$(AIDES) FIO_DIFFER_SECONDS=$(DIFFER_SECONDS) cargo test --locked --lib differential:: -- --nocapture

test-unit: unit ## The same, by its name in the original

containerfile-test: ## Compile exactly the files that the Containerfile copies
	hack/containerfile-test

fuzz: ## Fuzz what reads configurations, reports and exit statuses (FUZZ_SECONDS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) hack/fuzz

api-test: ## Run the tests against a real API server (no nodes)
	hack/packages cc strace faketime
	FIO_AIDE="$$(hack/aide)" hack/with-apiserver --keep-audit-log $(API_AUDIT_LOG) \
	  cargo test --locked --test api --all-features -- --test-threads=8

release-test: build ## Make a release, up to a registry on this machine (as root: images are built)
	BINARY=$(abspath $(BINARY)) hack/with-registry cargo test --locked --test release --all-features

# Apart from the other tests: the first time it builds OLM, and it needs CLUSTER=local.
olm-test: IMG := $(DEV_IMG)
olm-test: image cluster-up ## Install, upgrade and remove it through a real OLM, on a cluster that has a registry
	hack/olm-cluster up
	IMG=$(IMG) hack/olm-test

e2e: IMG := $(DEV_IMG)
e2e: image cluster-up ## Run the end-to-end tests on a cluster
	hack/cluster load-image $(IMG)
	hack/deploy apply
	@# The demo's FileIntegrity holds the nodes that the tests need for themselves.
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	@# So that no test has to wait for what it builds. If it fails, so does the test that needs it.
	-hack/monitoring prepare
	cargo test --locked --test e2e --all-features

chaos: ## Make each fault and attack that the tests know, and print what came of it
	hack/chaos

audit-rbac: ## Compare the Roles with what api-test and e2e, run before, asked the API for
	hack/packages cc
	FIO_E2E_AUDIT_LOG="$$(hack/cluster audit-log)" FIO_API_AUDIT_LOG=$(API_AUDIT_LOG) \
	  cargo test --locked --test rbac --all-features

soak: IMG := $(DEV_IMG)
soak: image cluster-up ## Change files at random, with pods coming and going: all told, nothing else (SOAK_SECONDS)
	hack/cluster load-image $(IMG)
	hack/deploy apply
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --test e2e --all-features soak::

bench: ## Measure speed, memory and API load; tables and out/bench/*.json (PART, BASE, NODES)
	hack/bench

demo: IMG := $(DEV_IMG)
demo: image ## Show it all: cluster, operator, changes on a node, the alarm, and back
	hack/demo

lint: ## Check formatting, clippy, dependencies and shell scripts
	hack/lint

verify: lint ## The same, and that the bundle is valid and up to date
	hack/olm validate

##@ Deploy

.PHONY: cluster-up cluster-down run install uninstall deploy undeploy deploy-local catalog-deploy catalog-undeploy
cluster-up: ## Start a cluster with two nodes
	hack/cluster up

cluster-down: ## Stop it, and remove all that it left
	hack/cluster down

run: build ## Run the operator on this machine against the current kubeconfig
	hack/deploy check-image
	FIO_AIDE="$$(hack/aide)" RELATED_IMAGE_OPERATOR=$(IMG) $(BINARY) operator --namespace $(NAMESPACE)

install: ## Put the CustomResourceDefinitions on the cluster
	hack/deploy install

uninstall: ## Remove them, and with them every FileIntegrity
	hack/deploy uninstall

deploy: ## Put all of it on the cluster (IMG, NAMESPACE, OVERLAY, REPLICAS)
	hack/deploy apply

undeploy: ## Take all of it off the cluster
	hack/deploy delete

deploy-local: IMG := $(DEV_IMG)
deploy-local: image ## Build the image, load it into the cluster without a registry, and deploy it
	hack/cluster load-image $(IMG)
	hack/deploy apply

catalog-deploy: ## Install it through OLM (CATALOG_IMG, CATALOG_DEPLOY_NS)
	hack/olm deploy

catalog-undeploy: ## Take it off again
	hack/olm undeploy

##@ Release

.PHONY: push catalog catalog-image prepare-release push-release release-images
push: ## Push the images of operator and bundle
	hack/image push $(IMG)
	hack/image push $(BUNDLE_IMG)

bundle: ## Make bundle/, what OLM installs, out of the manifests (VERSION, IMG)
	hack/olm bundle

bundle-image: ## Build the bundle's image (BUNDLE_IMG)
	hack/olm bundle-image

catalog: catalog-image ## Build the catalog's image and push it
	hack/image push $(CATALOG_IMG)

catalog-image: ## Build the catalog's image, which offers BUNDLE_IMG (CATALOG_IMG)
	hack/olm catalog-image

prepare-release: ## Bump VERSION in the sources, the bundle and CHANGELOG.md; commits nothing
	hack/release prepare

push-release: ## Commit that on the branch release-vVERSION, tag it, and push both to GIT_REMOTE
	hack/release push

release-images: ## Build the images of VERSION and push them, also as latest
	hack/release images
