# `make dev` and `make test` are the two set-up commands; `make help` lists the rest.
# Each target gets what it needs (scripts/deps.sh) and works with CARGO_TARGET_DIR set or not.

.DEFAULT_GOAL := help
.PHONY: help dev test test-all faults model fmt lint doc

# Node.js is here only when the machine has none that is new enough.
export PATH := $(CURDIR)/.carnet/node/bin:$(PATH)

# The binary that `cargo test` has built. `cargo run` would build fifty dependencies again: it does not ask for the
# features that the tests' own dependencies ask of them.
TESTED := $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/carnet

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

dev: ## run Carnet with a Postgres, a Redis and a demo tenant of its own; Ctrl-C stops all (ARGS="--tls" …)
	@scripts/deps.sh run
	cargo run --locked --profile quick -- dev $(ARGS)

test: ## everything that is checked before a change lands: format, lints, docs, tests, other people's clients
	@scripts/deps.sh test
	cargo fmt --check
	@$(MAKE) --no-print-directory lint doc
	cargo test --locked
	$(TESTED) dev --tls --exec tests/clients/run

# Optimised: the checker walks millions of states. About ten minutes and 4 GB on two cores.
model: ## walk more than ten million states of the protocol's model
	cargo test --locked --profile quick --test model -- --ignored --nocapture

test-all: test model ## `make test` and the long walk of the model; the long fault runs are `make faults`

# Optimised, and so without the switches that take protections away. Variables of the make go to the tests.
faults: ## real processes under every fault, then the figures (RUNS=, SEED=, OPERATIONS=, FIGURE=)
	@scripts/deps.sh test
	$(foreach name,RUNS SEED OPERATIONS FIGURE,$(if $($(name)),$(name)='$($(name))')) \
		cargo test --locked --profile quick --test faults runs_and_figures -- --ignored --nocapture

fmt: ## format the code
	cargo fmt

# Lints and docs go before the tests: they share most of a metadata-only build of the dependencies, and fail early.
lint: ## clippy; a warning is an error
	cargo clippy --locked --all-targets -- -D warnings

doc: ## the documentation of the crate; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
