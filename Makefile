# snapsync: plain make and pkg-config.  `make POSIX=1` builds without any
# platform's better calls; SANITIZE=1 with address and undefined behaviour
# sanitizers (see check-asan).
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
PKG_CONFIG ?= pkg-config
BUILD ?= build
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
       -Wstrict-prototypes -Wpointer-arith
ifneq ($(WERROR),0)
WARN += -Werror
endif
HARDEN = -fstack-protector-strong -fPIE
ifeq ($(SANITIZE),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
HARDEN += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
# The leak checker looks at threads and mappings in /proc, confined or not.
CPPFLAGS += -DSANDBOX_ALSO_READ='"/proc"'
# gcc cannot follow the flow through what the sanitizers put in.
WARN += $(if $(findstring clang,$(CC)),,-Wno-maybe-uninitialized)
endif
ifneq ($(FUZZ),)
HARDEN += -fsanitize=fuzzer-no-link
endif
CPPFLAGS += -Iinclude -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64
LDFLAGS += -pie -Wl,-z,relro,-z,now

SYSTEM := $(shell uname -s)
PLATFORM := $(if $(POSIX),plain,$(if $(filter Linux,$(SYSTEM)),linux,$(if $(filter OpenBSD,$(SYSTEM)),openbsd,plain)))
# Layers, lowest first.
LAYERS = base tree data snap wire link ship apply
# What a platform has no file of its own for is done plainly.
PLATFORM_FILES = $(foreach p,linux openbsd plain,$(wildcard src/*/*_$(p).c))
PLATFORM_SRC = $(foreach f,$(wildcard src/*/*_plain.c),$(or $(wildcard $(f:_plain.c=_$(PLATFORM).c)),$(f)))
SRC_base = $(wildcard src/base/*.c)
LIB_SRC = $(filter-out $(PLATFORM_FILES),$(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c))) \
          $(PLATFORM_SRC)
LIB_OBJ = $(LIB_SRC:%.c=$(BUILD)/%.o)
HELPER_MAIN = src/cli/helper.c
CLI_SRC = $(filter-out $(HELPER_MAIN),$(wildcard src/cli/*.c))
CLI_OBJ = $(CLI_SRC:%.c=$(BUILD)/%.o) $(if $(SANITIZE),$(BUILD)/tests/leaks.o)
HELPER_OBJ = $(HELPER_MAIN:%.c=$(BUILD)/%.o)

# The helper links neither SQLite nor libssh2.
HELPER_LIBS = $(shell $(PKG_CONFIG) --libs libxxhash libzstd) -lpthread
ALL_LIBS = $(shell $(PKG_CONFIG) --libs sqlite3 libssh2 libxxhash libzstd) -lpthread
DEP_CFLAGS := $(shell $(PKG_CONFIG) --cflags sqlite3 libssh2 libxxhash libzstd 2>/dev/null)
COMPILE = $(CC) $(CPPFLAGS) $(DEP_CFLAGS) -std=c11 $(CFLAGS) $(WARN) $(HARDEN)

all: $(BUILD)/snapsync $(BUILD)/snapsync-helper $(BUILD)/libsnapsync.a

$(BUILD)/libsnapsync.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(BUILD)/snapsync: $(CLI_OBJ) $(BUILD)/libsnapsync.a
	@echo "  LD $@"; $(CC) $(CFLAGS) -o $@ $(CLI_OBJ) $(BUILD)/libsnapsync.a $(LDFLAGS) $(ALL_LIBS)

$(BUILD)/snapsync-helper: $(HELPER_OBJ) $(BUILD)/libsnapsync.a
	@echo "  LD $@"; $(CC) $(CFLAGS) -o $@ $(HELPER_OBJ) $(BUILD)/libsnapsync.a $(LDFLAGS) $(HELPER_LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"; $(COMPILE) -MMD -MP -c -o $@ $<

# ---- tests: programs are built here, run by tests/run.sh
CMOCKA_LIBS = $(shell $(PKG_CONFIG) --libs cmocka)
UNIT = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
# Peers that break the protocol: they speak it with our own encoders.
PEERS = $(addprefix $(BUILD)/tests/,hostile race badhelper order)
TOOLS = $(filter-out $(PEERS),$(patsubst %.c,$(BUILD)/tests/%,$(notdir $(wildcard tests/tool/*.c tests/model/*.c))))
PRELOADS = $(patsubst tests/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preload/*.c))
TEST_CC = $(CC) $(CPPFLAGS) -D_GNU_SOURCE -std=c11 $(CFLAGS) -Wall -Wextra -Wno-format-truncation -Wno-unused-result$(if $(findstring clang,$(CC)), -Wno-unknown-warning-option) $(HARDEN)

$(BUILD)/tests/test_%: tests/unit/test_%.c $(BUILD)/libsnapsync.a
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -Isrc -o $@ $< $(BUILD)/libsnapsync.a $(LDFLAGS) $(ALL_LIBS) $(CMOCKA_LIBS)
$(BUILD)/tests/%: tests/tool/%.c tests/tool/compare.h
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -o $@ $< $(LDFLAGS)
$(BUILD)/tests/%: tests/model/%.c tests/model/faults.h tests/tool/compare.h
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -o $@ $< $(LDFLAGS)

# What is preloaded: never with the sanitizers' runtime, which wants to be first.
$(BUILD)/tests/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) -D_GNU_SOURCE $(if $(SANITIZE),-DSANITIZED) -std=c11 -O2 -g -Wall -Wextra -fPIC -shared -fvisibility=hidden -U_FORTIFY_SOURCE -o $@ $< -lpthread

$(PEERS): $(BUILD)/tests/%: tests/tool/%.c tests/tool/peer.h $(BUILD)/libsnapsync.a
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -o $@ $< $(BUILD)/libsnapsync.a $(LDFLAGS) $(ALL_LIBS)

$(BUILD)/tests/bench-%: tests/bench/%.c $(BUILD)/libsnapsync.a
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -o $@ $< $(BUILD)/libsnapsync.a $(LDFLAGS) $(ALL_LIBS)

# Fuzz targets: with libFuzzer (make fuzz), else a main that replays files.
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAIN = $(if $(FUZZ),-fsanitize=fuzzer,tests/fuzz/replay.c)
$(BUILD)/tests/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h tests/fuzz/session.h tests/fuzz/replay.c \
		$(BUILD)/src/cli/spec.o $(BUILD)/libsnapsync.a
	@mkdir -p $(@D)
	@echo "  CC $<"; $(TEST_CC) -Isrc -o $@ $< $(FUZZ_MAIN) $(BUILD)/src/cli/spec.o $(BUILD)/libsnapsync.a $(LDFLAGS) $(ALL_LIBS)
fuzz-programs: $(FUZZERS)

test-programs: all $(UNIT) $(TOOLS) $(PEERS) $(FUZZERS) $(PRELOADS)

deps:
	@sh contrib/deps.sh
# The sub-makes ask pkg-config anew: deps may just have installed it.
demo: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BUILD=$(BUILD) SRC="$(SRC)" DEST="$(DEST)" sh contrib/demo.sh
check:
	@sh contrib/deps.sh --tests
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@$(MAKE) --no-print-directory -j$(JOBS) POSIX=1 BUILD=$(BUILD)-posix test-programs
	@BUILD=$(BUILD) sh tests/run.sh
check-asan:
	@sh contrib/deps.sh --tests
	@$(MAKE) --no-print-directory -j$(JOBS) SANITIZE=1 BUILD=$(BUILD)-asan test-programs
	@$(MAKE) --no-print-directory -j$(JOBS) SANITIZE=1 POSIX=1 BUILD=$(BUILD)-asan-posix test-programs
	@BUILD=$(BUILD)-asan sh tests/run.sh
# make torture SECONDS=3600 SEED=1 WAY=ssh-faults
torture:
	@sh contrib/deps.sh --tests
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@BUILD=$(BUILD) sh tests/model/torture.sh "$(or $(SECONDS),60)" "$(SEED)" "$(WAY)"
# Every system call that can fail, and memory: some fifteen minutes.
faults:
	@sh contrib/deps.sh --tests
	@$(MAKE) --no-print-directory -j$(JOBS) test-programs
	@FULL=1 BUILD=$(BUILD) prove -v --timer -e '' tests/integration/52-faults.sh tests/integration/57-strain.sh
# make fuzz SECONDS=3600 TARGET=msg (without TARGET: one after the other)
fuzz:
	@sh contrib/deps.sh --tests --fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang SANITIZE=1 FUZZ=1 BUILD=$(BUILD)-fuzz fuzz-programs
	@BUILD=$(BUILD)-fuzz sh tests/fuzz/run.sh "$(or $(SECONDS),60)" "$(TARGET)"
# make bench ENTRIES=1000000
bench: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/bench-walk $(BUILD)/tests/bench-rates $(BUILD)/tests/manyfiles
	@BUILD=$(BUILD) sh tests/bench/bench.sh $(ENTRIES)
lint:
	@sh contrib/deps.sh --tests --lint
	@BUILD=$(BUILD) sh contrib/lint.sh
# With clang-format 14, Debian 12's.
format:
	@sh contrib/deps.sh --lint
	@find src include tests -name '*.[ch]' -exec clang-format -i {} +

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 $(BUILD)/snapsync $(BUILD)/snapsync-helper $(DESTDIR)$(PREFIX)/bin
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && rm -f snapsync snapsync-helper
	cd $(DESTDIR)$(PREFIX)/share/man && rm -f man1/snapsync.1 man1/snapsync-helper.1 \
		man5/snapsync-protocol.5 man5/snapsync-state.5
dist:
	git archive --format=tar.gz --prefix=snapsync/ -o snapsync.tar.gz HEAD
clean:
	rm -rf build build-*

-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(HELPER_OBJ:.o=.d)
.PHONY: all clean deps demo check check-asan faults torture fuzz fuzz-programs bench lint format install uninstall dist test-programs
.DELETE_ON_ERROR:
