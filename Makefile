# `make demo` and `make test` are all that one needs to know. Both install what they need.

.DEFAULT_GOAL := help
.PHONY: help bench demo fuzz integration planted test test-unit test-escapes test-tier test-vm test-network \
	test-ports test-api test-containers test-container-escapes test-lifecycle test-faults \
	test-connectors test-console test-demo lint gen build install \
	setup clean

CARGO := scripts/cargo.sh
PREFIX ?= /usr/local

# One file that runs on any Linux of this architecture. The target is named so that the flags reach
# jail only, and not the build scripts and macros, which cannot be static.
HOST = $$($(CARGO) --tool rustc -vV | sed -n 's/^host: //p')
SECCOMP = $$(dirname "$$(realpath "$$(gcc -print-file-name=libseccomp.a)")")
STATIC_BUILD = RUSTFLAGS="-C target-feature=+crt-static" LIBSECCOMP_LINK_TYPE=static \
	LIBSECCOMP_LIB_PATH="$(SECCOMP)" $(CARGO) build --locked --release --target "$(HOST)"
STATIC_DIR = $${CARGO_TARGET_DIR:-target}/$(HOST)/release

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

demo: setup ## A real MCP session with and without jail: what is allowed, what is refused
	@$(STATIC_BUILD) --bin jail --example notes-connector --example demo-client
	@bin="$(STATIC_DIR)"; \
	"$$bin/examples/demo-client" -- "$$bin/jail" run -- "$$bin/examples/notes-connector"

test: setup-test ## The whole suite, and the sum of it
	@scripts/test.sh

test-unit: setup ## Tests of the code
	@scripts/test.sh unit

test-escapes: setup ## Attacks from inside a jail (integration/), also as an ordinary user
	@scripts/test.sh escapes

test-tier: setup ## The same attacks against --sandbox=landlock, the weaker tier
	@scripts/test.sh tier

test-vm: setup ## Limits on Linux 6.1 and in the Vagrantfile's machine: cgroup v2, emulated, as root and as a user
	@scripts/test.sh vm

test-network: setup ## Attacks on the network, and real clients, in namespaces of the tests' own
	@scripts/test.sh network

test-ports: setup ## What listens, beside ss, in namespaces of the tests' own (integration/ports/)
	@scripts/test.sh ports

test-api: setup-test ## The API: sockets, pairing, origins, limits; and schemathesis (integration/api/, tests/api/)
	@scripts/test.sh api

test-containers: setup-test ## --sandbox=container, jail doctor containers and jail proxy with docker and rootless podman
	@scripts/test.sh containers

test-container-escapes: setup-test ## The attacks against --sandbox=container: docker as root, rootless podman as a user
	@scripts/test.sh container-escapes

test-lifecycle: setup ## Starts, ends and kills: what passes through and what is left behind
	@scripts/test.sh lifecycle

test-faults: setup ## Calls that fail, processes that are killed, disks that are full: JAIL_FAULTS=all for each one
	@scripts/test.sh faults

planted: setup ## Leave out each control in turn, and show which test notices
	@scripts/test.sh planted

test-connectors: setup-test ## Published MCP servers with the official clients
	@scripts/test.sh connectors

test-console: setup-test ## The console in a real browser; pictures are in build/console-shots
	@scripts/test.sh console

test-demo: setup ## The demo, as a test
	@scripts/test.sh demo

integration: setup-test ## Three kernels, Debian and Ubuntu with systemd, emulated: limits, escapes, the suite (needs root)
	@scripts/integration.sh

lint: setup-test ## Formatting and clippy
	@scripts/test.sh lint

gen: setup ## docs/: write what is made from the code
	@$(CARGO) run --locked --quiet --example gen-docs

bench: build ## jail beside bubblewrap, other proxies and ss, in one run: times and their ratio
	@scripts/setup.sh bench
	@JAIL=build/jail $(CARGO) bench --locked --bench start --bench egress --bench ports

fuzz: setup ## The parsers of what connectors send, fuzzed: FUZZ="dns socks" RUNS=10000000 (fuzz/)
	@RUNS="$(RUNS)" SECONDS_EACH="$(SECONDS_EACH)" scripts/fuzz.sh $(FUZZ)

build: setup ## build/jail: one static file
	@$(STATIC_BUILD) --bin jail
	@install -D -m 755 "$(STATIC_DIR)/jail" build/jail
	@ls -lh build/jail

# Does not depend on `build`: under sudo that would leave files of root's in target/.
install: ## Copy build/jail to PREFIX/bin (PREFIX=/usr/local)
	@test -x build/jail || $(MAKE) --no-print-directory build
	install -D -m 755 build/jail "$(DESTDIR)$(PREFIX)/bin/jail"

setup: ## Install what building needs, if missing (apt)
	@scripts/setup.sh build

.PHONY: setup-test
setup-test:
	@scripts/setup.sh test

clean: ## Remove everything that was built
	rm -rf build fuzz/target
	$(CARGO) clean
