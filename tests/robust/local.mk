# tests/robust: what happens when memory runs out. tests/robust/run runs it, and valgrind and the sanitizers over the rest.
if HAVE_CMOCKA
robust_tests = tests/robust/test_allocation
check_PROGRAMS += $(robust_tests)
TESTS += $(robust_tests)
endif
tests_robust_test_allocation_SOURCES = tests/robust/test_allocation.c tests/robust/starve.c tests/robust/starve.h

EXTRA_DIST += tests/robust/run
