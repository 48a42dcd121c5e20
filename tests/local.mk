# tests: unit/ in C; everything else is Python over the built musterd. `make check` runs what needs no process; tests/run runs all.
if HAVE_CMOCKA
unit_tests = tests/unit/test_backoff tests/unit/test_batch tests/unit/test_broker tests/unit/test_broker_calls \
	tests/unit/test_buffer tests/unit/test_clock tests/unit/test_config tests/unit/test_config_faults \
	tests/unit/test_control tests/unit/test_demo tests/unit/test_document tests/unit/test_error \
	tests/unit/test_handler tests/unit/test_id tests/unit/test_io tests/unit/test_log tests/unit/test_openapi tests/unit/test_pace tests/unit/test_policy \
	tests/unit/test_schema tests/unit/test_guard tests/unit/test_sandbox tests/unit/test_secrets tests/unit/test_scoreboard tests/unit/test_task tests/unit/test_task_filter tests/unit/test_task_memory \
	tests/unit/test_task_order tests/unit/test_task_record tests/unit/test_task_view tests/unit/test_units \
	tests/unit/test_utf8
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
if HAVE_PYTHON3
TESTS += tests/layering
endif

# Programs that run tasks.
if HAVE_CMOCKA
exec_unit_tests = tests/unit/test_lines tests/unit/test_redact
check_PROGRAMS += $(exec_unit_tests)
TESTS += $(exec_unit_tests)
endif
tests_unit_test_lines_SOURCES = tests/unit/test_lines.c
tests_unit_test_redact_SOURCES = tests/unit/test_redact.c
EXTRA_DIST += tests/system/test_modules.py tests/bench/exec_noop.c tests/bench/receiver.c

# What a unit test is linked with.
LDADD = libserver.a libapi.a libcore.a $(CMOCKA_LIBS) \
	$(MICROHTTPD_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(YAML_LIBS)

unit_common = tests/unit/broker_fixture.h tests/unit/config_file.h tests/unit/one_worker.h
tests_unit_test_backoff_SOURCES = tests/unit/test_backoff.c $(unit_common)
tests_unit_test_batch_SOURCES = tests/unit/test_batch.c $(unit_common)
tests_unit_test_broker_SOURCES = tests/unit/test_broker.c $(unit_common)
tests_unit_test_broker_calls_SOURCES = tests/unit/test_broker_calls.c $(unit_common)
tests_unit_test_buffer_SOURCES = tests/unit/test_buffer.c $(unit_common)
tests_unit_test_clock_SOURCES = tests/unit/test_clock.c $(unit_common)
tests_unit_test_config_SOURCES = tests/unit/test_config.c $(unit_common)
tests_unit_test_config_faults_SOURCES = tests/unit/test_config_faults.c $(unit_common)
tests_unit_test_control_SOURCES = tests/unit/test_control.c $(unit_common)
tests_unit_test_demo_SOURCES = tests/unit/test_demo.c $(unit_common)
tests_unit_test_document_SOURCES = tests/unit/test_document.c $(unit_common)
tests_unit_test_error_SOURCES = tests/unit/test_error.c $(unit_common)
tests_unit_test_handler_SOURCES = tests/unit/test_handler.c $(unit_common)
tests_unit_test_id_SOURCES = tests/unit/test_id.c $(unit_common)
tests_unit_test_io_SOURCES = tests/unit/test_io.c $(unit_common)
tests_unit_test_log_SOURCES = tests/unit/test_log.c $(unit_common)
tests_unit_test_openapi_SOURCES = tests/unit/test_openapi.c
tests_unit_test_pace_SOURCES = tests/unit/test_pace.c $(unit_common)
tests_unit_test_policy_SOURCES = tests/unit/test_policy.c $(unit_common)
tests_unit_test_schema_SOURCES = tests/unit/test_schema.c $(unit_common)
tests_unit_test_scoreboard_SOURCES = tests/unit/test_scoreboard.c $(unit_common)
tests_unit_test_guard_SOURCES = tests/unit/test_guard.c $(unit_common)
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c $(unit_common)
tests_unit_test_secrets_SOURCES = tests/unit/test_secrets.c $(unit_common)
tests_unit_test_task_SOURCES = tests/unit/test_task.c $(unit_common)
tests_unit_test_task_filter_SOURCES = tests/unit/test_task_filter.c $(unit_common)
tests_unit_test_task_memory_SOURCES = tests/unit/test_task_memory.c $(unit_common)
tests_unit_test_task_order_SOURCES = tests/unit/test_task_order.c $(unit_common)
tests_unit_test_task_record_SOURCES = tests/unit/test_task_record.c $(unit_common)
tests_unit_test_task_view_SOURCES = tests/unit/test_task_view.c $(unit_common)
tests_unit_test_units_SOURCES = tests/unit/test_units.c $(unit_common)
tests_unit_test_utf8_SOURCES = tests/unit/test_utf8.c $(unit_common)

# Modules that only tests load: each is wrong, or nasty, in one way.
test_modules = tests/modules/bad_abi.so tests/modules/bad_method.so tests/modules/crash_on_load.so tests/modules/ends.so \
	tests/modules/exit_on_load.so tests/modules/feeder.so tests/modules/hang_on_load.so tests/modules/hang_on_start.so \
	tests/modules/no_function.so tests/modules/no_table.so tests/modules/probe.so tests/modules/refuse_start.so \
	tests/modules/segfault_on_load.so tests/modules/spans.so tests/modules/trouble.so tests/modules/undefined_symbol.so
check_PROGRAMS += $(test_modules)
tests_modules_bad_abi_so_SOURCES = tests/modules/bad_abi.c
tests_modules_bad_abi_so_CPPFLAGS = $(module_cppflags)
tests_modules_bad_abi_so_CFLAGS = $(module_cflags)
tests_modules_bad_abi_so_LDFLAGS = $(module_ldflags)
tests_modules_bad_abi_so_LDADD = $(JANSSON_LIBS)

tests_modules_bad_method_so_SOURCES = tests/modules/bad_method.c
tests_modules_bad_method_so_CPPFLAGS = $(module_cppflags)
tests_modules_bad_method_so_CFLAGS = $(module_cflags)
tests_modules_bad_method_so_LDFLAGS = $(module_ldflags)
tests_modules_bad_method_so_LDADD = $(JANSSON_LIBS)

tests_modules_crash_on_load_so_SOURCES = tests/modules/crash_on_load.c
tests_modules_crash_on_load_so_CPPFLAGS = $(module_cppflags)
tests_modules_crash_on_load_so_CFLAGS = $(module_cflags)
tests_modules_crash_on_load_so_LDFLAGS = $(module_ldflags)
tests_modules_crash_on_load_so_LDADD = $(JANSSON_LIBS)

tests_modules_ends_so_SOURCES = tests/modules/ends.c
tests_modules_ends_so_CPPFLAGS = $(module_cppflags)
tests_modules_ends_so_CFLAGS = $(module_cflags)
tests_modules_ends_so_LDFLAGS = $(module_ldflags)
tests_modules_ends_so_LDADD = $(JANSSON_LIBS)

tests_modules_exit_on_load_so_SOURCES = tests/modules/exit_on_load.c
tests_modules_exit_on_load_so_CPPFLAGS = $(module_cppflags)
tests_modules_exit_on_load_so_CFLAGS = $(module_cflags)
tests_modules_exit_on_load_so_LDFLAGS = $(module_ldflags)
tests_modules_exit_on_load_so_LDADD = $(JANSSON_LIBS)

tests_modules_feeder_so_SOURCES = tests/modules/feeder.c
tests_modules_feeder_so_CPPFLAGS = $(module_cppflags)
tests_modules_feeder_so_CFLAGS = $(module_cflags)
tests_modules_feeder_so_LDFLAGS = $(module_ldflags)
tests_modules_feeder_so_LDADD = $(JANSSON_LIBS)

tests_modules_hang_on_load_so_SOURCES = tests/modules/hang_on_load.c
tests_modules_hang_on_load_so_CPPFLAGS = $(module_cppflags)
tests_modules_hang_on_load_so_CFLAGS = $(module_cflags)
tests_modules_hang_on_load_so_LDFLAGS = $(module_ldflags)
tests_modules_hang_on_load_so_LDADD = $(JANSSON_LIBS)

tests_modules_hang_on_start_so_SOURCES = tests/modules/hang_on_start.c
tests_modules_hang_on_start_so_CPPFLAGS = $(module_cppflags)
tests_modules_hang_on_start_so_CFLAGS = $(module_cflags)
tests_modules_hang_on_start_so_LDFLAGS = $(module_ldflags)
tests_modules_hang_on_start_so_LDADD = $(JANSSON_LIBS)

tests_modules_no_function_so_SOURCES = tests/modules/no_function.c
tests_modules_no_function_so_CPPFLAGS = $(module_cppflags)
tests_modules_no_function_so_CFLAGS = $(module_cflags)
tests_modules_no_function_so_LDFLAGS = $(module_ldflags)
tests_modules_no_function_so_LDADD = $(JANSSON_LIBS)

tests_modules_no_table_so_SOURCES = tests/modules/no_table.c
tests_modules_no_table_so_CPPFLAGS = $(module_cppflags)
tests_modules_no_table_so_CFLAGS = $(module_cflags)
tests_modules_no_table_so_LDFLAGS = $(module_ldflags)
tests_modules_no_table_so_LDADD = $(JANSSON_LIBS)

tests_modules_probe_so_SOURCES = tests/modules/probe.c
tests_modules_probe_so_CPPFLAGS = $(module_cppflags)
tests_modules_probe_so_CFLAGS = $(module_cflags)
tests_modules_probe_so_LDFLAGS = $(module_ldflags)
tests_modules_probe_so_LDADD = $(JANSSON_LIBS)

tests_modules_refuse_start_so_SOURCES = tests/modules/refuse_start.c
tests_modules_refuse_start_so_CPPFLAGS = $(module_cppflags)
tests_modules_refuse_start_so_CFLAGS = $(module_cflags)
tests_modules_refuse_start_so_LDFLAGS = $(module_ldflags)
tests_modules_refuse_start_so_LDADD = $(JANSSON_LIBS)

tests_modules_segfault_on_load_so_SOURCES = tests/modules/segfault_on_load.c
tests_modules_segfault_on_load_so_CPPFLAGS = $(module_cppflags)
tests_modules_segfault_on_load_so_CFLAGS = $(module_cflags)
tests_modules_segfault_on_load_so_LDFLAGS = $(module_ldflags)
tests_modules_segfault_on_load_so_LDADD = $(JANSSON_LIBS)

tests_modules_spans_so_SOURCES = tests/modules/spans.c
tests_modules_spans_so_CPPFLAGS = $(module_cppflags)
tests_modules_spans_so_CFLAGS = $(module_cflags)
tests_modules_spans_so_LDFLAGS = $(module_ldflags)
tests_modules_spans_so_LDADD = $(JANSSON_LIBS)

tests_modules_trouble_so_SOURCES = tests/modules/trouble.c
tests_modules_trouble_so_CPPFLAGS = $(module_cppflags)
tests_modules_trouble_so_CFLAGS = $(module_cflags)
tests_modules_trouble_so_LDFLAGS = $(module_ldflags)
tests_modules_trouble_so_LDADD = $(JANSSON_LIBS)

tests_modules_undefined_symbol_so_SOURCES = tests/modules/undefined_symbol.c
tests_modules_undefined_symbol_so_CPPFLAGS = $(module_cppflags)
tests_modules_undefined_symbol_so_CFLAGS = $(module_cflags)
tests_modules_undefined_symbol_so_LDFLAGS = $(module_ldflags)
tests_modules_undefined_symbol_so_LDADD = $(JANSSON_LIBS)

# musterd with fault points (server/fault.h), for tests that end a process at one of them.
check_LIBRARIES = libserver_faults.a
libserver_faults_a_SOURCES = $(libserver_a_SOURCES) tests/faults/fault.c
libserver_faults_a_CPPFLAGS = $(AM_CPPFLAGS) -DMUSTER_FAULT_POINTS
check_PROGRAMS += musterd-faults
EXTRA_DIST += tests/bench/soak tests/system/test_history.py tests/system/test_page.py tests/system/test_settings.py tests/system/test_concurrency.py tests/system/test_control.py tests/system/test_disk.py tests/system/test_fault_points.py tests/system/test_power_cut.py tests/system/test_time.py tests/system/test_trouble.py tests/system/test_usage.py
musterd_faults_SOURCES = server/musterd.c
musterd_faults_LDADD = libserver_faults.a libapi.a libcore.a $(MICROHTTPD_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(YAML_LIBS)

# A wall clock that tests can set, for any program.
check_PROGRAMS += tests/modules/clock.so
tests_modules_clock_so_SOURCES = tests/faults/clock.c
tests_modules_clock_so_CFLAGS = $(module_cflags)
tests_modules_clock_so_LDFLAGS = $(module_ldflags)

.PHONY: check-programs
check-programs: $(check_PROGRAMS)

# Handing tasks over.
EXTRA_DIST += tests/lua/test_demands.py tests/lua/test_max_active.py tests/lua/test_priority.py tests/system/test_max_active.py tests/system/test_dry_run.py \
	tests/system/test_idempotency.py tests/system/test_ndjson.py tests/system/test_priority.py tests/system/test_terms.py

# The API as it is described.
EXTRA_DIST += tests/system/description.py tests/system/test_api_properties.py tests/system/test_documentation.py \
	tests/system/test_monitoring.py tests/system/test_openapi.py

# Who may, and what may not be.
EXTRA_DIST += tests/system/test_audit.py tests/system/test_auth.py tests/system/test_guards.py tests/system/test_tls.py

# Many tasks, and what rests.
EXTRA_DIST += tests/lua/test_change.py tests/system/test_one_task.py tests/system/test_scale.py
EXTRA_DIST += tests/lua/test_many.py tests/lua/test_pause.py tests/system/test_bulk.py tests/system/test_lists.py \
	tests/system/test_pause.py

EXTRA_DIST += tests/layering tests/run tests/children/actor.py tests/children/talker.py tests/children/http2.mjs tests/system/test_http2.py tests/system/test_task_log.py tests/system/test_callback.py tests/system/test_redact.py tests/system/test_versions.py tests/children/feeder.py tests/system/test_run_option.py tests/system/test_services.py tests/lua/conftest.py tests/lua/scripts.py tests/lua/test_cancel.py \
	tests/lua/test_carry.py tests/lua/test_depths.py tests/lua/test_due.py tests/lua/test_interleavings.py \
	tests/lua/test_mark.py tests/lua/test_nodes.py tests/lua/test_plain_list.py tests/lua/test_recover.py \
	tests/lua/test_retain.py tests/lua/test_scripts.py tests/lua/test_submit.py tests/lua/test_turn.py \
	tests/system/client.py tests/system/conftest.py tests/system/harness.py tests/system/load.py \
	tests/system/procfs.py tests/system/relay.py tests/system/test_api.py tests/system/test_bad_input.py \
	tests/system/test_broker_away.py tests/system/test_broker_tls.py tests/system/test_broker_faults.py tests/system/test_cancel.py \
	tests/system/test_cli_options.py tests/system/test_cluster.py tests/system/test_crashes.py \
	tests/system/test_delay_retry.py tests/system/test_done_when.py tests/system/test_events.py tests/system/test_examples.py tests/system/test_exec.py tests/system/test_hangs.py tests/system/test_http_class.py \
	tests/system/test_http_handler.py \
	tests/system/test_metrics.py tests/system/test_nodes.py tests/system/test_outcomes.py tests/system/test_plain_list.py \
	tests/system/test_power.py tests/system/test_processes.py tests/system/test_queue_settings.py tests/system/test_queues_retention.py tests/system/test_recovery_paths.py \
	tests/system/test_reload.py tests/system/test_seed_faults.py tests/system/test_script_cache.py tests/system/test_sentinel.py \
	tests/system/test_service_manager.py tests/system/test_submit.py tests/system/test_upgrade.py tests/system/waiting.py tests/bench/beans.c \
	tests/bench/bench_module.c tests/bench/bullmq.mjs tests/bench/latency.c tests/bench/pacer.c tests/bench/rollcall.c tests/bench/run \
	tests/chaos/conftest.py tests/chaos/cutter.py tests/chaos/doors.py tests/chaos/effect.c tests/chaos/faults.py \
	tests/chaos/herd.py tests/chaos/ledger.py tests/chaos/run tests/chaos/sabotage.py tests/chaos/test_chaos.py \
	tests/chaos/test_ledger.py tests/chaos/watch.py tests/fuzz/common.c tests/fuzz/config.c tests/fuzz/config.dict \
	tests/fuzz/control.c tests/fuzz/corpus/config/anchor tests/fuzz/corpus/config/asynctask.yaml \
	tests/fuzz/corpus/config/broker-tcp tests/fuzz/corpus/config/broker-unix tests/fuzz/corpus/config/empty \
	tests/fuzz/corpus/config/environment tests/fuzz/corpus/config/example.yaml tests/fuzz/corpus/config/faults \
	tests/fuzz/corpus/config/limits tests/fuzz/corpus/config/queues tests/fuzz/corpus/config/yaml \
	tests/fuzz/corpus/control/restart tests/fuzz/corpus/control/rubbish tests/fuzz/corpus/control/two \
	tests/fuzz/corpus/document/array tests/fuzz/corpus/document/bad-utf8 tests/fuzz/corpus/document/bom \
	tests/fuzz/corpus/document/full tests/fuzz/corpus/document/later tests/fuzz/corpus/document/nothing \
	tests/fuzz/corpus/document/nul-key tests/fuzz/corpus/document/run_at tests/fuzz/corpus/document/run_at-last \
	tests/fuzz/corpus/document/simple tests/fuzz/corpus/document/twice tests/fuzz/corpus/document/wide \
	tests/fuzz/corpus/element/1 tests/fuzz/corpus/element/2 tests/fuzz/corpus/element/3 \
	tests/fuzz/corpus/element/4 tests/fuzz/corpus/element/5 tests/fuzz/corpus/element/6 \
	tests/fuzz/corpus/element/7 tests/fuzz/corpus/http/chunked tests/fuzz/corpus/http/expect \
	tests/fuzz/corpus/http/get-1 tests/fuzz/corpus/http/get-10 tests/fuzz/corpus/http/get-11 \
	tests/fuzz/corpus/http/get-12 tests/fuzz/corpus/http/get-13 tests/fuzz/corpus/http/get-14 \
	tests/fuzz/corpus/http/get-15 tests/fuzz/corpus/http/get-16 tests/fuzz/corpus/http/get-17 \
	tests/fuzz/corpus/http/get-2 tests/fuzz/corpus/http/get-3 tests/fuzz/corpus/http/get-4 \
	tests/fuzz/corpus/http/get-5 tests/fuzz/corpus/http/get-6 tests/fuzz/corpus/http/get-7 \
	tests/fuzz/corpus/http/get-8 tests/fuzz/corpus/http/get-9 tests/fuzz/corpus/http/long \
	tests/fuzz/corpus/http/looked-up-first tests/fuzz/corpus/http/pipelined tests/fuzz/corpus/http/post \
	tests/fuzz/corpus/http/refused tests/fuzz/corpus/record/cancelled tests/fuzz/corpus/record/dead \
	tests/fuzz/corpus/record/largest tests/fuzz/corpus/record/pending tests/fuzz/corpus/record/retrying \
	tests/fuzz/corpus/record/succeeded tests/fuzz/corpus/units/1 tests/fuzz/corpus/units/10 \
	tests/fuzz/corpus/units/11 tests/fuzz/corpus/units/12 tests/fuzz/corpus/units/13 tests/fuzz/corpus/units/14 \
	tests/fuzz/corpus/units/15 tests/fuzz/corpus/units/2 tests/fuzz/corpus/units/3 tests/fuzz/corpus/units/4 \
	tests/fuzz/corpus/units/5 tests/fuzz/corpus/units/6 tests/fuzz/corpus/units/7 tests/fuzz/corpus/units/8 \
	tests/fuzz/corpus/units/9 tests/fuzz/document.c tests/fuzz/document.dict tests/fuzz/element.c \
	tests/fuzz/element.dict tests/fuzz/fuzz.h tests/fuzz/http.c tests/fuzz/http.dict tests/fuzz/local.mk \
	tests/fuzz/record.c tests/fuzz/record.dict tests/fuzz/run tests/fuzz/scripts.py tests/fuzz/units.c \
	tests/fuzz/units.dict \
	tests/exec-kit/driver.py tests/exec-kit/kit tests/exec-kit/kit.mjs tests/exec-kit/kit.php \
	tests/exec-kit/kit.sh tests/exec-kit/kit_tasks.py tests/fixtures/fend/bootstrap.php \
	tests/fixtures/fend/producer.php tests/system/test_node.py tests/system/test_php.py tests/system/test_python.py \
	tests/fixtures/fend/router.php tests/fixtures/fend/tasks/App/Mailer.php tests/fixtures/fend/tasks/BaseTask.php \
	tests/fixtures/fend/tasks/OrderTask.php tests/fixtures/node/tasks.mjs tests/fixtures/python/plain.py \
	tests/fixtures/python/tasks.py tests/fixtures/seed-document.md tests/sdk/conftest.py tests/sdk/test_kit.py \
	tests/sdk/test_node.py tests/sdk/test_php.py tests/sdk/test_python.py tests/system/test_sdk_clients.py

# The command line client.
EXTRA_DIST += tests/system/cli.py tests/system/test_client.py tests/system/test_client_top.py tests/system/test_client_care.py
