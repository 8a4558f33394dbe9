# fio: watches the integrity of the files on every node of a Kubernetes cluster.
# `make help` lists the targets and the variables.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Variables

IMAGE_REPO ?= image-not-set.invalid## Registry and path of the images; push, deploy and releases require it, or IMG
TAG ?= latest## Tag of the images
IMG ?= $(IMAGE_REPO)/file-integrity-operator:$(TAG)## Image of the operator and the daemons
BUNDLE_IMG ?= $(IMAGE_REPO)/file-integrity-operator-bundle:$(TAG)## Image of the OLM bundle
CATALOG_IMG ?= $(IMAGE_REPO)/file-integrity-operator-catalog:$(TAG)## Image of the OLM catalog
VERSION ?=## Version of the release, X.Y.Z; required by the release targets
NAMESPACE ?= openshift-file-integrity## Namespace of the operator
CATALOG_DEPLOY_NS ?= $(NAMESPACE)## Namespace for catalog-deploy
OVERLAY ?=## kubernetes or openshift; default: detected
REPLICAS ?= 1## Number of operators; 2 for a standby
RUNTIME ?=## docker, podman or buildah; default: the first that works
BASE_IMAGES ?=## pull, or local to create them on this machine (hack/image --help)
PLATFORMS ?=## Platforms of the image, such as linux/amd64,linux/arm64; default: this machine
WORKERS ?= 2## Number of worker nodes that cluster-up starts
CLUSTER ?=## kind, local or current; default: the first that works
KUBERNETES_VERSION ?=## Kubernetes for api-test and e2e (CLUSTER=local), of `hack/cluster versions`; default: the latest
GIT_REMOTE ?= origin## Git remote for releases
PART ?=## Part that bench measures: scan, daemon, operator, api, latency, rollout, acceptance or realtime; default: all
BASE ?=## Commit that bench compares with
NODES ?=## Fleet sizes that bench simulates, such as 10,100,1000,5000
SOAK_SECONDS ?= 3600## Duration of soak
FUZZ_SECONDS ?= 60## Duration of fuzz, for all targets together
DIFFER_SECONDS ?= 600## Duration of differ, for each version of AIDE
CHANGES ?= 100000## Number of changes that realtime-test makes, for each interface of the kernel
E2E_AUDIT_LOG ?=## Audit log of e2e for audit-rbac; default: that of the cluster
CARGO_TARGET_DIR ?= target## Build directory of cargo

export IMAGE_REPO TAG IMG BUNDLE_IMG CATALOG_IMG NAMESPACE CATALOG_DEPLOY_NS
export OVERLAY REPLICAS RUNTIME BASE_IMAGES PLATFORMS WORKERS CLUSTER GIT_REMOTE PART BASE NODES
# Do not export an empty VERSION: scripts then use the version in Cargo.toml.
ifneq ($(strip $(VERSION)),)
export VERSION
endif
ifneq ($(strip $(KUBERNETES_VERSION)),)
export KUBERNETES_VERSION
endif

# Image for clusters on this machine, never pushed.
DEV_IMG := localhost/fio:dev
KUBECTL = hack/cluster kubectl
# Audit log of the API server in api-test, for audit-rbac.
API_AUDIT_LOG := .cluster/api-audit.log
# The AIDE versions for tests: the current one, and those of Debian releases.
AIDES = FIO_AIDE="$$(hack/aide)" FIO_AIDE_BULLSEYE="$$(hack/aide bullseye)" \
  FIO_AIDE_BOOKWORM="$$(hack/aide bookworm)" FIO_AIDE_TRIXIE="$$(hack/aide trixie)"
BINARY := $(CARGO_TARGET_DIR)/release/fio
# The tests against a real API server. One thread for each test: e2e/api/concurrency.rs limits how
# many run.
API_TESTS = cargo test --locked --test api --all-features -- --test-threads=1000

##@ Build

.PHONY: help build image image-from-source images manifests crd chart install-yaml sbom reproducible
help: ## List the targets and variables
	@awk 'BEGIN { FS = ":.*## |\\?=.*## *|## *" } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  %-20s%s\n", $$1, $$2 } \
	  /^[A-Z0-9_]+ \?=.*##/ { printf "  %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program (target/release/fio, or in CARGO_TARGET_DIR)
	hack/build

# Images for several platforms compile the program in the Containerfile.
image: $(if $(strip $(PLATFORMS)),,build) ## Build the image (IMG, PLATFORMS)
	hack/image --tag $(IMG) $(if $(strip $(PLATFORMS)),,--binary $(BINARY))

image-from-source: ## Build the image and compile in the Containerfile, as for releases
	hack/image --tag $(IMG) --from-source

images: image bundle-image ## Build the images of the operator and the bundle

manifests: crd bundle chart ## Generate the CustomResourceDefinitions, the API reference, the bundle and the chart

crd: ## Generate the CustomResourceDefinitions and the API reference
	hack/packages cc
	cargo run --locked --quiet -- crd > manifests/crd/crds.yaml.new
	mv manifests/crd/crds.yaml.new manifests/crd/crds.yaml
	mkdir -p docs/reference
	cargo run --locked --quiet -- crd --output markdown > docs/reference/fileintegrity.md.new
	mv docs/reference/fileintegrity.md.new docs/reference/fileintegrity.md

chart: ## Generate the parts of the Helm chart that come from the manifests
	hack/chart generate

install-yaml: ## Write all manifests to out/install.yaml and out/install-openshift.yaml (IMG, NAMESPACE)
	mkdir -p out
	OVERLAY=kubernetes hack/deploy render > out/install.yaml.new
	mv out/install.yaml.new out/install.yaml
	OVERLAY=openshift hack/deploy render > out/install-openshift.yaml.new
	mv out/install-openshift.yaml.new out/install-openshift.yaml

sbom: ## Write the SBOM out/fio.cdx.json (CycloneDX)
	hack/sbom out/fio.cdx.json

reproducible: ## Build the program twice from scratch, and compare
	hack/reproducible

##@ Test

.PHONY: test test-versions fuzz test-unit differ realtime-test containerfile-test api-test skew-test release-test olm-test chart-test helm-test e2e arm64-test cgroup2-test chaos audit-rbac soak bench demo lint figures verify
# All targets use the same features, so that the library and the program are compiled only once.
test: test-unit api-test release-test e2e audit-rbac fuzz containerfile-test ## Run all tests, including those with a real API server and a cluster

# Stops its cluster at the end: those of other targets have another version.
test-versions: ## Run the API tests on all supported versions of Kubernetes, the end-to-end tests on the oldest, and skew-test
	for version in $$(hack/cluster versions); do $(MAKE) api-test KUBERNETES_VERSION=$$version || exit; done
	$(MAKE) skew-test
	$(MAKE) e2e KUBERNETES_VERSION=$$(hack/cluster versions | head -n 1)
	hack/cluster down

test-unit: ## Run the unit tests, including those with a real AIDE
	hack/packages cc lua filesystems
	$(AIDES) cargo test --locked --lib --bins --all-features

differ: ## Compare converted configurations with the original ones in AIDE 0.17, 0.18 and 0.19 (DIFFER_SECONDS)
	$(AIDES) FIO_DIFFER_SECONDS=$(DIFFER_SECONDS) cargo test --locked --lib --all-features differential:: -- --nocapture

realtime-test: ## Change files at random, and compare what realtime detection reports with scans (CHANGES; requires root)
	hack/packages cc
	FIO_AIDE="$$(hack/aide)" FIO_REALTIME_CHANGES=$(CHANGES) cargo test --locked --lib --all-features no_change_is_missed -- --nocapture

containerfile-test: ## Verify that the Containerfile copies all required files
	hack/containerfile-test

fuzz: ## Fuzz the parsers of configurations, reports, exit statuses, records of the kernel and files in /proc (FUZZ_SECONDS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) hack/fuzz

# skew-test is a separate target because it builds a previous version of fio.
api-test: ## Run the tests against a real API server, without nodes (KUBERNETES_VERSION)
	hack/packages cc strace faketime jq
	FIO_AIDE="$$(hack/aide)" hack/with-apiserver --keep-audit-log $(API_AUDIT_LOG) \
	  $(API_TESTS) --skip skew::

skew-test: ## Run the tests of operators and daemons of different versions of fio
	hack/packages cc
	previous=$$(hack/previous-fio) && \
	  FIO_PREVIOUS=$$previous FIO_AIDE="$$(hack/aide)" hack/with-apiserver $(API_TESTS) skew::

release-test: build ## Run a release up to a registry on this machine (requires root to build images)
	BINARY=$(abspath $(BINARY)) hack/with-registry cargo test --locked --test release --all-features

# Not part of test: the first run builds OLM, and it requires CLUSTER=local.
olm-test: IMG := $(DEV_IMG)
olm-test: image cluster-up ## Install, upgrade and remove fio with a real OLM on a cluster
	hack/olm-cluster up
	IMG=$(IMG) hack/olm-test

e2e: IMG := $(DEV_IMG)
e2e: WORKERS := 6
e2e: image cluster-up ## Run the end-to-end tests on a cluster (KUBERNETES_VERSION)
	hack/cluster load-image $(IMG)
	hack/deploy apply
	@# The demo's FileIntegrity selects the nodes that the tests need.
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	@# Build it now so that no test waits for it. If this fails, the test that needs it fails.
	-hack/monitoring prepare
	@# One thread for each test: a test waits until its nodes are free. helm-test runs helm::.
	cargo test --locked --test e2e --all-features -- --test-threads=100 --skip helm::

# Not part of test: the first run builds Helm, which takes minutes.
chart-test: ## Test the Helm chart without a cluster, with the real Helm
	hack/packages cc
	hack/helm version
	cargo test --locked --test chart --all-features

# Not part of test: it requires a cluster without fio.
helm-test: IMG := $(DEV_IMG)
helm-test: image cluster-up ## Install, upgrade and uninstall the Helm chart on a cluster without fio (KUBERNETES_VERSION)
	hack/helm version
	hack/cluster load-image $(IMG)
	cargo test --locked --test e2e --all-features helm::

arm64-test: ## Compile for arm64, build its image, and run both with qemu-user (requires root on Debian, amd64)
	hack/arm64-test

# Not part of test: the processor of the virtual machine is emulated, so it takes long.
cgroup2-test: IMG := $(DEV_IMG)
cgroup2-test: image ## Run fio on a node with cgroup v2, in a virtual machine (requires root on Debian, amd64)
	IMG=$(IMG) hack/vm-test

chaos: ## Run the fault and attack tests, and print their results
	hack/chaos

audit-rbac: ## Compare the Roles with the requests in the audit logs of api-test and e2e
	hack/packages cc
	FIO_E2E_AUDIT_LOG="$(or $(E2E_AUDIT_LOG),$$(hack/cluster audit-log))" FIO_API_AUDIT_LOG=$(API_AUDIT_LOG) \
	  cargo test --locked --test rbac --all-features

soak: IMG := $(DEV_IMG)
soak: image cluster-up ## Run the long tests: random changes of files and pods (SOAK_SECONDS), and a file that toggles
	hack/cluster load-image $(IMG)
	hack/deploy apply
	$(KUBECTL) -n $(NAMESPACE) delete fileintegrity demo --ignore-not-found
	-hack/monitoring prepare
	SOAK_SECONDS=$(SOAK_SECONDS) cargo test --locked --test e2e --all-features -- --include-ignored soak:: ten_minutes

bench: ## Run the benchmarks; writes tables and out/bench/*.json (PART, BASE, NODES)
	hack/bench

demo: IMG := $(DEV_IMG)
demo: ## Run the demo on a cluster
	@# It builds the image itself: its first line is how long that takes.
	@hack/demo

lint: ## Check formatting, clippy, dependencies, shell scripts and workflows
	hack/lint

figures: ## Print figures about the code and their goals
	hack/packages cc
	cargo run --locked --quiet --all-features --example figures

verify: lint ## Run lint, and verify that the bundle and the chart are valid and up to date
	hack/olm validate
	hack/chart verify

##@ Deploy

.PHONY: cluster-up cluster-down run install uninstall deploy undeploy deploy-local catalog-deploy catalog-undeploy
cluster-up: ## Start a cluster
	hack/cluster up

cluster-down: ## Stop and remove the cluster
	hack/cluster down

run: build ## Run the operator on this machine with the current kubeconfig
	hack/deploy check-image
	FIO_AIDE="$$(hack/aide)" RELATED_IMAGE_OPERATOR=$(IMG) $(BINARY) operator --namespace $(NAMESPACE)

install: ## Install the CustomResourceDefinitions
	hack/deploy install

uninstall: ## Remove the CustomResourceDefinitions, and with them every FileIntegrity
	hack/deploy uninstall

deploy: ## Deploy fio (IMG, NAMESPACE, OVERLAY, REPLICAS)
	hack/deploy apply

undeploy: ## Remove fio
	hack/deploy delete

deploy-local: IMG := $(DEV_IMG)
deploy-local: image ## Build the image, load it into the cluster without a registry, and deploy fio
	hack/cluster load-image $(IMG)
	hack/deploy apply

catalog-deploy: ## Install fio with OLM (CATALOG_IMG, CATALOG_DEPLOY_NS)
	hack/olm deploy

catalog-undeploy: ## Remove the OLM installation
	hack/olm undeploy

##@ Release

.PHONY: push bundle bundle-image catalog catalog-image prepare-release push-release release-images dist
push: ## Push the images of the operator and the bundle
	hack/image push $(IMG)
	hack/image push $(BUNDLE_IMG)

bundle: ## Generate the OLM bundle in bundle/ from the manifests (VERSION, IMG)
	hack/olm bundle

bundle-image: ## Build the image of the bundle (BUNDLE_IMG)
	hack/olm bundle-image

catalog: catalog-image ## Build and push the image of the catalog
	hack/image push $(CATALOG_IMG)

catalog-image: ## Build the image of the catalog with BUNDLE_IMG (CATALOG_IMG)
	hack/olm catalog-image

prepare-release: ## Set VERSION in the sources, the bundle, the chart and CHANGELOG.md, without a commit
	hack/release prepare

push-release: ## Commit the release on the branch release-vVERSION, tag it, and push both to GIT_REMOTE
	hack/release push

release-images: ## Build and push the images of VERSION, also as latest
	hack/release images

dist: ## Write the manifests, the chart and the SBOM of a release to out/, with checksums (VERSION, IMAGE_REPO)
	hack/dist
