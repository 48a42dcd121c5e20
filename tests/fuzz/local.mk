# tests/fuzz: libFuzzer targets. Not part of `all` or `check`: clang makes them, in a build of their own (tests/fuzz/run).
fuzz_targets = tests/fuzz/config tests/fuzz/control tests/fuzz/document tests/fuzz/element tests/fuzz/http \
	tests/fuzz/record tests/fuzz/units
EXTRA_PROGRAMS = $(fuzz_targets)
fuzz_common = tests/fuzz/common.c tests/fuzz/fuzz.h
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_ldadd = libapi.a libcore.a $(MICROHTTPD_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(YAML_LIBS)
tests_fuzz_config_SOURCES = tests/fuzz/config.c $(fuzz_common)
tests_fuzz_config_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_config_LDADD = $(fuzz_ldadd)
tests_fuzz_control_SOURCES = tests/fuzz/control.c $(fuzz_common)
tests_fuzz_control_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_control_LDADD = $(fuzz_ldadd)
tests_fuzz_document_SOURCES = tests/fuzz/document.c $(fuzz_common)
tests_fuzz_document_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_document_LDADD = $(fuzz_ldadd)
tests_fuzz_element_SOURCES = tests/fuzz/element.c $(fuzz_common)
tests_fuzz_element_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_element_LDADD = $(fuzz_ldadd)
tests_fuzz_http_SOURCES = tests/fuzz/http.c $(fuzz_common)
tests_fuzz_http_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_http_LDADD = $(fuzz_ldadd)
tests_fuzz_record_SOURCES = tests/fuzz/record.c $(fuzz_common)
tests_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_record_LDADD = $(fuzz_ldadd)
tests_fuzz_units_SOURCES = tests/fuzz/units.c $(fuzz_common)
tests_fuzz_units_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_units_LDADD = $(fuzz_ldadd)

.PHONY: fuzz-programs
fuzz-programs: $(fuzz_targets)

EXTRA_DIST += tests/fuzz/run tests/fuzz/scripts.py tests/fuzz/corpus tests/fuzz/config.dict tests/fuzz/document.dict \
	tests/fuzz/element.dict tests/fuzz/http.dict tests/fuzz/record.dict tests/fuzz/units.dict
