# Sidekey. `make help` lists the targets; CI runs them and nothing else.

BUILD    ?= build
PREFIX   ?= /usr/local
ifeq ($(origin CC),default)
CC       := gcc
endif
VERSION  := 0.1.0

WARN     := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
HARDEN   := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection \
            -fzero-call-used-regs=used-gpr -fPIE
CPPFLAGS += -I. -D_GNU_SOURCE -DSIDEKEY_VERSION='"$(VERSION)"' -DSIDEKEY_LIBEXEC='"$(PREFIX)/libexec/sidekey"' \
            -DOPENSSL_NO_DEPRECATED -DOPENSSL_API_COMPAT=30000
CFLAGS   ?= -g $(HARDEN)
LDFLAGS  ?= -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ALLFLAGS  = -std=c17 $(WARN) $(CPPFLAGS) $(CFLAGS)

# What each program is made of; DESIGN section 3 says what each may link (make fence checks the result).
COMMON   := $(wildcard common/*.c)
IPC      := $(wildcard broker/ipc/*.c)
PROC     := $(wildcard broker/proc/*.c)
RULES    := $(wildcard broker/rules/*.c)
YAML     := $(wildcard broker/yaml/*.c)
POLICYC  := $(wildcard broker/api/policyc/*.c)
CRYPTO   := $(wildcard broker/keeper/crypto/*.c)
AUDIT    := $(wildcard broker/keeper/audit/*.c)
HTTP1    := $(wildcard broker/gateway/http1*.c) broker/gateway/chunked.c

SRC_sidekeyd        := $(wildcard broker/sidekeyd/*.c) $(COMMON) $(IPC) $(PROC) $(YAML)
SRC_sidekey-gateway := $(wildcard broker/gateway/*.c) $(COMMON) $(IPC) $(PROC) $(RULES)
SRC_sidekey-keeper  := $(wildcard broker/keeper/*.c broker/keeper/store/*.c) $(CRYPTO) $(AUDIT) $(COMMON) $(IPC) $(PROC) $(RULES)
SRC_sidekey-api     := $(wildcard broker/api/*.c broker/api/edge/*.c broker/api/admin/*.c) $(POLICYC) $(COMMON) $(IPC) $(PROC) $(RULES) $(YAML)
SRC_sidekey         := $(wildcard cli/*.c) $(POLICYC) $(RULES) $(YAML) $(COMMON) $(IPC) $(patsubst %,broker/keeper/audit/%.c,verify held hole repeat reader line reserve) broker/keeper/crypto/crypto.c
SRC_sidekey-shim    := $(wildcard shim/*.c) $(COMMON) $(HTTP1) broker/proc/filter.c broker/gateway/tls_memory.c

LIB_sidekeyd        := -lyaml -lseccomp
LIB_sidekey-gateway := -lssl -lcrypto -lsodium -lcares -lseccomp
LIB_sidekey-keeper  := -lcrypto -lsodium -lsqlite3 -lseccomp
LIB_sidekey-api     := -lmicrohttpd -ljansson -lyaml -lseccomp
LIB_sidekey         := -lcurl -ljansson -lyaml -lsodium
# What a static libcrypto needs besides differs: Debian 13 adds zlib and zstd.
LIB_sidekey-shim    := $(shell pkg-config --static --libs libssl) -lcares -ljansson
# Packed: half a megabyte less to read at each start.
LDFLAGS_sidekey-shim := -static-pie -Wl,-z,pack-relative-relocs

# Nobody calls sanitize.o, so that the linker would leave it in the archive.
LDFLAGS_tool_keeper := -Wl,--wrap=clock_wall_ms -Wl,--wrap=clock_wall_s $(BUILD)/obj/broker/proc/sanitize.o
LDFLAGS_torture_gateway := -Wl,--wrap=clock_mono_ms
LDFLAGS_tool_gateway := -Wl,--wrap=clock_mono_ms -Wl,--wrap=clock_mono_us -Wl,--wrap=hosts_read $(BUILD)/obj/broker/proc/sanitize.o

PROGRAMS := sidekeyd sidekey-gateway sidekey-keeper sidekey-api sidekey sidekey-shim
BIN      := $(PROGRAMS:%=$(BUILD)/bin/%)
LIB_ALL  := -lmicrohttpd -lcurl -ljansson -lyaml -lssl -lcrypto -lsodium -lsqlite3 -lcares -lseccomp -lpthread

# Everything but the main.c files, for unit tests and fuzz replays: the linker takes what a test names.
PARTS    := $(sort $(filter-out %/main.c,$(foreach p,$(PROGRAMS),$(SRC_$(p)))))
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(BIN) ## build every program

define program
$$(BUILD)/bin/$(1): $$(SRC_$(1):%.c=$$(BUILD)/obj/%.o)
	@mkdir -p $$(@D)
	@echo '  LINK  $$@'
	@$$(CC) $$(CFLAGS) $$(if $$(LDFLAGS_$(1)),$$(LDFLAGS_$(1)) $$(filter -Wl%,$$(LDFLAGS)),$$(LDFLAGS)) -o $$@ $$^ $$(LIB_$(1))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# Objects stay, also those that only a test or fuzz target asks for.
.SECONDARY:

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(ALLFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/parts.a: $(PARTS:%.c=$(BUILD)/obj/%.o)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/parts.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/parts.a $(LIB_ALL)

$(BUILD)/fuzz/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/parts.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/parts.a $(LIB_ALL)

$(BUILD)/tests/%: $(BUILD)/obj/tests/lib/%.o $(BUILD)/parts.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_$(@F)) -o $@ $< $(BUILD)/parts.a $(LIB_ALL)

# Every allocation and system call of these is asked in fail.c first.
$(BUILD)/obj/tests/torture/fail.o: override CFLAGS += -fno-sanitize=all
$(BUILD)/torture/%: $(BUILD)/obj/tests/torture/%.o $(BUILD)/obj/tests/torture/torture.o $(BUILD)/obj/tests/torture/fail.o $(BUILD)/parts.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -Wl,--wrap=secret_new $(LDFLAGS_$(@F)) -o $@ $(filter %.o,$^) $(BUILD)/parts.a $(LIB_ALL)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: deps
deps: ## list the Debian packages that are missing, and install them (asks; YES=1 does not)
	@tools/deps.sh test

.PHONY: demo
demo: ## install what is missing, build, and show the product on loopback (KEY=@file: the real API)
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -s all
	@tools/demo.sh $(BUILD) $(KEY)

REPLAY   := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
# Longer, and with waits that a heavily loaded machine misses: in make suites, not in make test.
LONGER   := $(wildcard tests/regress/shim_*.py tests/regress/promise02_record_first.py tests/regress/promise09_acknowledged.py)
REGRESS  := $(filter-out $(LONGER),$(wildcard tests/regress/*.py))
ATTACK   := $(wildcard tests/attack/test_*.py)
FAULT    := $(wildcard tests/fault/test_*.py)
CLIENTS  := $(wildcard tests/clients/test_*.py)
BLACKBOX := SIDEKEY_TEST_BUILD=$(BUILD)

.PHONY: unit-programs
unit-programs: $(UNIT) $(REPLAY)

.PHONY: unit
unit: $(UNIT) ## unit tables
	@prove -Q -j2 --exec '' $(UNIT)

.PHONY: corpus
corpus: $(REPLAY) ## every fuzz target over its corpus
	@for r in $(REPLAY); do $$r tests/fuzz/corpus/$${r##*/replay_} || exit 1; done

FUZZ_S    ?= 60
FUZZFLAGS := -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZRUN   := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/run_%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/fuzz/run_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/parts.a
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/parts.a $(LIB_ALL)

.PHONY: fuzz-run
fuzz-run: $(FUZZRUN)
	@for r in $(FUZZRUN); do n=$${r##*/run_}; mkdir -p $(BUILD)/found/$$n; echo "$$n, $(FUZZ_S) s"; \
	    $$r -max_total_time=$(FUZZ_S) -timeout=10 -rss_limit_mb=1500 -artifact_prefix=$(BUILD)/found/$$n- \
	    $(BUILD)/found/$$n tests/fuzz/corpus/$$n > $(BUILD)/found/$$n.log 2>&1 || \
	    { tail -60 $(BUILD)/found/$$n.log; exit 1; }; done

.PHONY: fuzz
fuzz: ## every fuzz target under libFuzzer, ASan and UBSan for FUZZ_S seconds
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzzing CC=clang WARN=-w CFLAGS='$(FUZZFLAGS)' fuzz-run

.PHONY: regress
regress: all $(BUILD)/tests/tool_gateway ## the built programs from outside, one file a promise, in the one-uid mode of a container
	@$(BLACKBOX) prove -Q -j2 --exec '' $(REGRESS)

.PHONY: test
test: ## what a change must pass: unit, corpus, regress (no Docker, under 5 minutes)
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$$(nproc) all unit-programs
	@$(MAKE) --no-print-directory unit corpus regress

.PHONY: longer
longer: all ## the regress files that take longer: the shim in depth, crashes under load
	@$(BLACKBOX) prove -Q -j2 --exec '' $(LONGER)

.PHONY: attack
attack: all $(BUILD)/tests/tool_gateway $(BUILD)/tests/tool_probe $(BUILD)/tests/tool_keeper ## the attack tables against the built programs
	@$(BLACKBOX) prove -Q -j2 --exec '' $(ATTACK)

.PHONY: fault
fault: all $(BUILD)/tests/tool_hold ## kills, power cuts, failing disks, stopped processes, exhaustion, upstreams that misbehave
	@$(BLACKBOX) prove -Q -j2 --exec '' $(FAULT)

.PHONY: clients
clients: all ## real clients from npm behind the shim
	@cd tests/clients && npm ci --silent --no-audit --no-fund
	@$(BLACKBOX) prove -Q --exec '' $(CLIENTS)

# What a request's bytes say is the same for every uid.
ROOTED   := $(filter tests/attack/test_a_% tests/attack/test_b_% tests/attack/test_c_differential% tests/attack/test_f_% tests/attack/test_h_% tests/attack/test_i_% tests/attack/test_k_%,$(ATTACK))
.PHONY: rooted
rooted: all $(BUILD)/tests/tool_gateway $(BUILD)/tests/tool_probe $(BUILD)/tests/tool_keeper ## regress, and the attacks that meet users, started as root with a uid for each role
	@$(BLACKBOX) SIDEKEY_TEST_MODE=root prove -Q -j2 --exec '' $(REGRESS) $(ROOTED)

SANITIZE := -g -O1 -fno-omit-frame-pointer -Wno-format-truncation -fsanitize=address,undefined -fno-sanitize-recover=all -DSIDEKEY_SANITIZE
.PHONY: asan
asan: ## unit, corpus, regress and attack under ASan and UBSan
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=$(BUILD)/asan CFLAGS='$(SANITIZE) -fPIE' LDFLAGS='-pie' LDFLAGS_sidekey-shim='-pie' all unit-programs
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS='$(SANITIZE) -fPIE' LDFLAGS='-pie' LDFLAGS_sidekey-shim='-pie' unit corpus regress attack

# Not under valgrind: where the system calls of a sandboxed process are looked at, it would see valgrind's; and a test of time.
UNGRINDED := test_sandbox test_sandbox_files test_shim_sandbox test_child test_shim_child test_keeper_faults
.PHONY: valgrind
valgrind: $(UNIT) ## unit tables under valgrind
	@prove -Q -j2 --exec 'valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite' \
	    $(filter-out $(UNGRINDED:%=$(BUILD)/unit/%),$(UNIT))

TREE := $(PARTS) $(wildcard broker/*/main.c cli/main.c shim/main.c)
# $(call each,COMMAND): COMMAND {} for each source of the tree, one a processor; fails if any does.
each = printf '%s\n' $(TREE) | xargs -P $$(nproc) -I{} $(1)

.PHONY: analyze
analyze: ## gcc -fanalyzer over the tree
	@$(call each,$(CC) $(ALLFLAGS) -fanalyzer -c -o /dev/null {})

.PHONY: tidy
tidy: ## clang-tidy over the tree (.clang-tidy)
	@$(call each,clang-tidy --quiet {} -- -std=c17 $(CPPFLAGS))

.PHONY: cppcheck
cppcheck: ## cppcheck over the tree
	@cppcheck --quiet -j $$(nproc) --error-exitcode=1 --std=c11 --enable=warning,portability,performance \
	    --suppress=memleak:shim/env.c --suppress=memleak:shim/tls.c -I. -D_GNU_SOURCE \
	    -D'json_array_foreach(a,i,v)=for(i=0;(v=json_array_get(a,i));i++)' -D'json_object_foreach(o,k,v)=for(k="";(v=json_object_get(o,k));)' \
	    $(TREE) # what is suppressed is freed by AUTO; jansson's headers are not looked into

.PHONY: fence
fence: all ## each program against the table of what it may link
	@tools/link_fence.sh $(BUILD)

.PHONY: house
house: ## sizes, and calls that only one file may make (tools/house_allow.txt)
	@tools/house_lint.sh

.PHONY: format
format: ## clang-format over the tree
	@clang-format -i $$(find common broker cli shim tests -name '*.[ch]' -not -path '*/node_modules/*')

.PHONY: install
install: all ## programs and pages below PREFIX; daemons and shim 0711, so that they start closed to inspection
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/libexec/sidekey
	install -m 0755 $(BUILD)/bin/sidekey $(DESTDIR)$(PREFIX)/bin/
	install -m 0711 $(BUILD)/bin/sidekeyd $(DESTDIR)$(PREFIX)/sbin/
	install -m 0711 $(patsubst %,$(BUILD)/bin/%,$(filter sidekey-%,$(PROGRAMS))) $(DESTDIR)$(PREFIX)/libexec/sidekey/
	for p in $(wildcard docs/man/*.[0-9]); do \
	    install -D -m 0644 $$p $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$${p##*/} || exit 1; done

# 0: each N; else at most that many a path and kind, evenly spread.
TORTURE_RUNS ?= 0
TORTURE  := $(patsubst tests/torture/%.c,$(BUILD)/torture/%,$(wildcard tests/torture/torture_*.c))
.PHONY: torture-paths
torture-paths: $(TORTURE)
	@prove -Q -j2 --exec '' $(TORTURE) :: $(TORTURE_RUNS)

.PHONY: torture-asan
torture-asan: ## the paths of make torture under ASan and UBSan
	@ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:exitcode=99 $(MAKE) --no-print-directory BUILD=$(BUILD)/asan \
	    CFLAGS='$(SANITIZE) -fPIE' LDFLAGS=-pie torture-paths

.PHONY: torture
torture: all torture-paths ## the Nth allocation and the Nth system call fail: for each N on the main paths, for some in whole programs
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/torture-programs torture-programs
	@$(BLACKBOX) prove -Q -j2 --exec '' tests/torture/programs.py tests/torture/shims.py

# Whole programs with fail.c in them, on the objects that are there; the shim with libraries, as the others. sidekeyd's domain would keep its children from their order.
FAILING  := $(BUILD)/obj/tests/torture/fail.o $(BUILD)/obj/tests/torture/fail_program.o $(BUILD)/obj/tests/lib/no_domain.o
.PHONY: torture-programs
torture-programs: $(FAILING)
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD) LDFLAGS='-pie -rdynamic -Wl,--wrap=secret_new -Wl,--wrap=sandbox_files $(FAILING)' \
	    LDFLAGS_sidekey-shim= $(filter-out %/sidekey,$(BIN))

# A static program cannot map them: the shim is linked as the others. What the first process of a program makes, those of another user write on.
COVERFLAGS = -g -O1 -fPIE -fprofile-instr-generate=$(CURDIR)/$(BUILD)/cover/raw/%m%c.profraw -fcoverage-mapping -mllvm -runtime-counter-relocation
.PHONY: cover-run
cover-run: $(UNIT) $(REPLAY) $(BUILD)/tests/tool_gateway $(BUILD)/obj/tests/lib/no_domain.o
	@$(MAKE) --no-print-directory BUILD=$(BUILD) CC=$(CC) WARN=-w CFLAGS='$(CFLAGS)' LDFLAGS='-pie -Wl,--wrap=sandbox_files $(BUILD)/obj/tests/lib/no_domain.o' LDFLAGS_sidekey-shim=-pie all
	@umask 0; for b in $(BIN); do $$b --version >/dev/null 2>&1 || true; done
	@for r in $(REPLAY); do n=$${r##*/replay_}; LLVM_PROFILE_FILE=$(CURDIR)/$(BUILD)/raw-fuzz/$$n-%c.profraw $$r tests/fuzz/corpus/$$n || exit 1; done
	-@prove -Q -j2 --exec '' $(UNIT)
	-@$(BLACKBOX) prove -Q -j2 --exec '' $(REGRESS) $(ATTACK)

.PHONY: cover
cover: ## lines and branches that unit, corpus, regress and attack run, a folder a line, and those of each fuzz target
	@rm -rf $(BUILD)/cover/raw $(BUILD)/cover/raw-fuzz
	@mkdir -p $(BUILD)/cover/raw $(BUILD)/cover/raw-fuzz && chmod 1777 $(BUILD)/cover/raw
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/cover CC=clang WARN=-w CFLAGS='$(COVERFLAGS)' LDFLAGS=-pie cover-run
	@tools/cover.py $(BUILD)/cover

# Of the mutants at most this many, chosen by MUTATE_SEED; 0: all.
MUTATE_MAX ?= 0
.PHONY: mutate
mutate: all $(UNIT) $(TORTURE) $(BUILD)/tests/tool_gateway ## each security check is taken out once, and the test named for it must fail
	@tools/mutate.py $(BUILD) 2 $(MUTATE_MAX) "$(MUTATE_SEED)"

.PHONY: check
check: all house fence unit corpus ## what every commit passes
	@tools/doc_check.sh $(BUILD)

.PHONY: containers
containers: all ## the image, the broker's Compose project, an import by Docker's own client and the quickstart on a Docker engine of its own (as root)
	@$(BLACKBOX) tests/containers/run.py $(wildcard tests/containers/test_*.py) tests/regress/import_compose.py tests/regress/import_depth.py

.PHONY: suites
suites: longer attack fault rooted clients ## the longer suites that CI runs

.PHONY: bench
bench: all $(BUILD)/tests/tool_load $(BUILD)/tests/tool_clock $(BUILD)/tests/tool_hold ## cost and latency beside nginx, haproxy and caddy in the same run, with the budgets
	@tools/deps.sh bench
	@$(BLACKBOX) tests/bench/run.py

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z_-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14
