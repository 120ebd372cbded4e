# Everything a newcomer needs is `make run` and `make test`; `make help` lists the rest.

CONFIG ?= debug
BIN = .build/$(CONFIG)/nodepass
STATE ?= .nodepass
EDITS ?= 2000
# Tests at once. All of them at once would wait for one another longer than a test may take.
TEST_WIDTH ?= 6
EXAMPLES ?= 200
SEED ?= 1
# How long `make fuzz-bytes` runs each target.
SECONDS ?= 60
# `make build QUIC=off` leaves links over QUIC out, for systems without the libraries that they need.
QUIC ?= on
ifeq ($(QUIC),off)
TRAITS = --disable-default-traits
else
QUIC_PACKAGES = libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev
endif
# Libraries to build with, and the programs that `make run` and the tests call.
PACKAGES = libyaml-dev libsqlite3-dev $(QUIC_PACKAGES) pkg-config ca-certificates curl
TEST_PACKAGES = nodejs chromium openssl python3 python3-venv prometheus bash fish zsh nginx haproxy
LINT_PACKAGES = nodejs shellcheck eslint node-chalk node-v8-compile-cache
SWIFT_FILES = Package.swift Sources Tests Benchmarks/Package.swift Benchmarks/Sources
SHELL_FILES = .ci/run .ci/words .ci/pages examples/quickstart.sh Tests/FuzzTests/fuzz-bytes.sh Tests/DaemonTests/Clients/np.sh \
  $(wildcard Tests/PackageTests/*.sh) $(wildcard packaging/build-*) packaging/instance-unit \
  $(addprefix packaging/debian/,postinst prerm postrm)
# What `make tsan` runs: the suites that decide in values and those with several threads, without a daemon process.
TSAN_TESTS ?= TunnelTests|ReconcilerTests
TSAN_SKIP ?= TwoEnded

.PHONY: help deps test-deps lint-deps build run test soak soak-edits fuzz fuzz-bytes netem netem-deps chaos chaos-deps tsan check format
.PHONY: release dist image rpm package-test package-deps kubernetes-test
.PHONY: lint lint-swift lint-words lint-shell lint-pages bench bench-build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

deps: ## install the libraries the build needs (apt)
	@missing=""; for p in $(PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing; \
	fi

test-deps: deps
	@command -v node >/dev/null && command -v openssl >/dev/null && command -v "$${CHROMIUM:-chromium}" >/dev/null \
	  && PATH=$$PATH:/usr/sbin command -v nginx >/dev/null && PATH=$$PATH:/usr/sbin command -v haproxy >/dev/null \
	  && command -v prometheus >/dev/null && command -v fish >/dev/null && command -v zsh >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || $(MAKE) --no-print-directory deps PACKAGES="$(TEST_PACKAGES)"

lint-deps:
	@command -v node >/dev/null && command -v shellcheck >/dev/null && command -v eslint >/dev/null \
	  || $(MAKE) --no-print-directory deps PACKAGES="$(LINT_PACKAGES)"

build: deps ## build the daemon (CONFIG=release for an optimized one, QUIC=off without links over QUIC)
	swift build -c $(CONFIG) $(TRAITS) --product nodepass

run: build ## start the daemon on examples/quickstart.yaml and print what to try
	@STATE=$(STATE) BIN=$(BIN) sh examples/quickstart.sh

test: test-deps ## build and run every test, and fuzz the API for a minute
	swift build $(TRAITS) --build-tests
	"$$(swift build --show-bin-path)/nodepassPackageTests.xctest" --testing-library swift-testing \
	  --experimental-maximum-parallelization-width $(TEST_WIDTH)
	python3 Tests/FuzzTests/fuzz.py --examples 30

soak-edits: test-deps ## edit a daemon under traffic, EDITS times; takes a while
	swift build $(TRAITS) --build-tests
	NODEPASS_TEST_EDITS=$(EDITS) swift test --skip-build --filter LiveChangeTests

# What `nodepass --version` says of a release's commit.
COMMIT = $(shell git describe --always --abbrev=12 --exclude '*' --dirty 2>/dev/null)
release: deps ## build a program that needs no Swift, in .build-static
	mkdir -p .build-static
	data=$$(packaging/thin-icu .build-static/icu.o) && NODEPASS_COMMIT=$(COMMIT) swift build -c release $(TRAITS) \
	  --static-swift-stdlib --scratch-path .build-static --product nodepass -Xswiftc -use-ld=lld \
	  -Xlinker --gc-sections -Xlinker --icf=safe -Xlinker --no-export-dynamic -Xlinker "$$data" -Xlinker $(CURDIR)/.build-static/icu.o

DIST ?= .build-static/dist
dist: release ## make the archive and the Debian package of a release, in DIST
	packaging/build-tar .build-static/release/nodepass $(DIST)
	packaging/build-deb .build-static/release/nodepass $(DIST)
	cd $(DIST) && sha256sum nodepass-*.tar.gz nodepass_*.deb > SHA256SUMS

image: release ## make a container image's file system, and with umoci and skopeo the image, in DIST
	packaging/build-oci .build-static/release/nodepass $(DIST)

rpm: release ## make an rpm for a system like this one, in DIST
	packaging/build-rpm $(DIST) .build-static/release/nodepass

package-test: package-deps dist image rpm kubernetes-test ## try the packages in systems of their own (root)
	lintian --fail-on error,warning $(DIST)/nodepass_*.deb
	Tests/PackageTests/deb.sh $(DIST)/nodepass_*.deb
	Tests/PackageTests/upgrade.sh $(DIST)/nodepass_*.deb
	Tests/PackageTests/icu.sh
	Tests/PackageTests/oci.sh $(DIST)/nodepass-*-oci.tar
	rpm --query --list --package $(DIST)/nodepass-*.rpm | grep -qx /usr/bin/nodepass

kubernetes-test: ## check packaging/kubernetes against the schemas of Kubernetes
	python3 Tests/PackageTests/kubernetes.py

package-deps:
	@command -v debootstrap >/dev/null && command -v lintian >/dev/null && command -v umoci >/dev/null && command -v skopeo >/dev/null \
	  && command -v rpmbuild >/dev/null && command -v systemd-nspawn >/dev/null || $(MAKE) --no-print-directory deps PACKAGES="debootstrap lintian umoci skopeo rpm python3-venv systemd-container"

soak: CONFIG = release
soak: build ## 220 tunnels, 9,000 connections, edits and kills for an hour; memory must not grow (SOAK="--minutes 5")
	python3 Tests/NetworkTests/soak.py --program .build/release/nodepass $(SOAK)

fuzz: test-deps build ## fuzz the API from its own description: EXAMPLES requests an operation, random SEED
	python3 Tests/FuzzTests/fuzz.py --program $(BIN) --examples $(EXAMPLES) --seed $(SEED)

fuzz-bytes: deps ## fuzz every reader of strangers' bytes for SECONDS, or TARGET alone (libFuzzer, in .build-fuzz)
	NODEPASS_FUZZ=1 swift build -c release $(TRAITS) -Xswiftc -enable-testing --sanitize fuzzer --scratch-path .build-fuzz \
	  --product fuzz-bytes
	Tests/FuzzTests/fuzz-bytes.sh .build-fuzz/release/fuzz-bytes $(SECONDS) $(TARGET)

chaos: chaos-deps build ## run two daemons on a machine that misbehaves (root; CHAOS=--short for seconds)
	python3 Tests/NetworkTests/chaos.py --program $(BIN) $(CHAOS)

chaos-deps:
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || $(MAKE) --no-print-directory deps PACKAGES=libfaketime

netem-deps:
	@command -v ip >/dev/null 2>&1 || $(MAKE) --no-print-directory deps PACKAGES=iproute2

netem: netem-deps build ## run two daemons over a bad network and measure what users notice (root; NETEM=--short for seconds)
	python3 Tests/NetworkTests/netem.py --program $(BIN) $(NETEM)

tsan: test-deps ## build with ThreadSanitizer and run TSAN_TESTS, in .build-tsan
	swift build $(TRAITS) --sanitize=thread --scratch-path .build-tsan --build-tests
	TSAN_OPTIONS="halt_on_error=1 suppressions=$(CURDIR)/Tests/tsan-suppressions" \
	  "$$(swift build --scratch-path .build-tsan --show-bin-path)/nodepassPackageTests.xctest" --testing-library swift-testing \
	  --experimental-maximum-parallelization-width $(TEST_WIDTH) --filter '$(TSAN_TESTS)' --skip '$(TSAN_SKIP)'

lint: lint-swift lint-words lint-shell lint-pages ## check the form of every source, text, script and page

lint-swift: ## check the form of the Swift sources
	swift format lint --strict --recursive $(SWIFT_FILES)

lint-words: ## check the texts for words we do not use
	.ci/words

lint-shell: lint-deps ## check the shell scripts
	shellcheck $(SHELL_FILES)

lint-pages: lint-deps ## check the scripts of the pages and of the tests
	.ci/pages

format: ## bring all sources into the house style
	swift format --in-place --recursive $(SWIFT_FILES)

check: lint test bench-build ## what must pass before a change is done

bench-build: deps ## build the benchmarks
	swift build --package-path Benchmarks

bench: deps ## measure a release build against haproxy, and against the program that NODEPASS_PEER names
	@for p in haproxy nginx wrk; do PATH=$$PATH:/usr/sbin command -v $$p >/dev/null || $(MAKE) --no-print-directory deps PACKAGES=$$p; done
	swift run -c release --package-path Benchmarks nodepass-bench $(BENCH)

clean: ## remove what was built, and the state of `make run`
	rm -rf .build .build-static .build-tsan .build-fuzz $(STATE)
