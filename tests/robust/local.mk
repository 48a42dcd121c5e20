# tests/robust: what happens when memory runs out. tests/robust/run runs it, and valgrind and the sanitizers over the rest.
starve = tests/robust/starve.c tests/robust/starve.h
if HAVE_CMOCKA
robust_tests = tests/robust/test_allocation tests/robust/test_broker_allocation \
	tests/robust/test_submission_allocation
check_PROGRAMS += $(robust_tests)
TESTS += $(robust_tests)
endif
tests_robust_test_allocation_SOURCES = tests/robust/test_allocation.c $(starve)
tests_robust_test_broker_allocation_SOURCES = tests/robust/test_broker_allocation.c $(starve) tests/unit/broker_fixture.h
tests_robust_test_submission_allocation_SOURCES = tests/robust/test_submission_allocation.c $(starve) \
	tests/unit/broker_fixture.h

EXTRA_DIST += tests/robust/run tests/robust/threads.py tests/robust/valgrind.supp
