# The commands of a working day. Each checks for what it needs, or installs it, before it does its work.

# rustup's programs are not on the path of a shell that started before rustup was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

# What `make demo` hands on to the program: `make demo DEMO_ARGS=--exit`.
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-versions fuzz services services-stop services-status bench bench-decode bench-cassandra bench-peer conformance chaos walk fmt lint

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-16s %s\n' "$$name" "$$text"; done

demo: ## build, and show the main job on embedded defaults, with no service installed
	@scripts/prerequisites.sh build -- cargo build --release
	@scripts/prerequisites.sh build -- cargo run --release --quiet -- demo $(DEMO_ARGS)

test: ## formatting, lints, all tests against real services, documentation, the demo
	@scripts/test.sh

test-versions: ## the PostgreSQL sink's tests against every version that it supports
	@scripts/prerequisites.sh build services -- scripts/test-versions.sh

# How many inputs each decoder is given, and from which seed on.
FUZZ_INPUTS ?= 1000000
FUZZ_SEED ?= $(shell date +%s)

fuzz: ## search for inputs that a decoder cannot bear, for longer than `make test` does
	@scripts/prerequisites.sh build -- env ROWDOCK_FUZZ_INPUTS=$(FUZZ_INPUTS) ROWDOCK_TEST_SEED=$(FUZZ_SEED) \
		cargo test --features failpoints --lib fuzz -- --nocapture

services: ## bring real Kafka and databases up and leave them up, so that `cargo test` alone works
	@scripts/prerequisites.sh services
	@scripts/services.sh up

services-stop: ## stop them and delete their data
	@scripts/services.sh down

services-status: ## tell which services are up
	@scripts/services.sh status

bench: ## measure against the databases' own limits, and a cluster on three brokers
	@scripts/prerequisites.sh build services -- scripts/services.sh run cargo bench --bench throughput --bench cassandra
	@ROWDOCK_SERVICES=processes scripts/prerequisites.sh build services java -- scripts/services.sh run \
		scripts/chaos.sh run cargo bench --bench cluster

bench-decode: ## measure the decoders of all formats, beside plain parsers
	@scripts/prerequisites.sh build -- cargo bench --bench decode --features plain-parsers

bench-cassandra: ## measure the Cassandra sink against its driver alone
	@scripts/prerequisites.sh build services -- scripts/services.sh run cargo bench --bench cassandra

bench-peer: ## the same, side by side with Kafka Connect and the Debezium JDBC sink
	@scripts/prerequisites.sh build services java -- scripts/services.sh run scripts/bench-peer.sh run \
		cargo bench --bench throughput -- --peer

conformance: ## the same requests to a real Kafka Connect worker and to this one
	@scripts/prerequisites.sh build services java -- scripts/services.sh run scripts/bench-peer.sh run \
		cargo test --features failpoints --test main conformance -- --ignored

# CHAOS_FULL=1 lets faults last that are shortened otherwise, by minutes each: tests/chaos.rs says which.
chaos: ## every fault of a cluster, on three brokers, and a random mix of them for CHAOS_SECONDS
	@ROWDOCK_SERVICES=processes scripts/prerequisites.sh build services java -- scripts/services.sh run \
		scripts/chaos.sh run cargo test --workspace --features failpoints --test main -- --ignored chaos --test-threads 1

walk: ## the five minutes of README.md, as they are written there
	@scripts/prerequisites.sh build services walk -- scripts/walk.sh

fmt: ## format the code
	@scripts/prerequisites.sh build -- cargo fmt --all

lint: ## check formatting and lints, of the code and of the scripts
	@scripts/prerequisites.sh build -- cargo fmt --all --check
	@scripts/prerequisites.sh shellcheck -- shellcheck --check-sourced .ci/run scripts/*.sh
	@scripts/prerequisites.sh build -- cargo clippy --workspace --all-targets --features failpoints -- -D warnings
