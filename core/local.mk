# core: what everything else stands on. No process, no log line, no exit in here.
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = core/backoff.c core/broker.c core/broker_bulk.c core/broker_callback.c core/broker_cluster.c core/broker_log.c \
	core/broker_news.c core/broker_power.c core/broker_reach.c core/broker_reply.c core/broker_request.c \
	core/broker_saved.c core/broker_scheduler.c core/broker_script.c core/broker_settings.c core/broker_tasks.c \
	core/broker_tls.c core/broker_wait.c core/broker_worker.c core/buffer.c core/certificate.c core/clock.c \
	core/config.c core/config_auth.c core/config_broker.c core/config_http.c core/config_places.c \
	core/config_program.c core/config_queues.c core/config_reload.c core/config_table.c core/config_table_access.c \
	core/config_table_pools.c core/config_table_queues.c core/config_yaml.c core/control.c core/digest.c \
	core/document.c core/error.c core/exec_child.c core/exec_message.c core/exec_order.c core/handler.c \
	core/handler_check.c core/handler_exec.c core/handler_exec_several.c core/handler_module.c \
	core/handler_module_calls.c core/handler_once.c core/id.c core/io.c core/lines.c core/log.c core/node.c \
	core/program.c core/queue_settings.c core/redact.c core/schema.c core/schema_describe.c core/schema_dump.c \
	core/schema_fault.c core/scoreboard.c core/secrets.c core/task.c core/task_filter.c core/task_line.c \
	core/task_order.c core/task_record.c core/task_submission.c core/task_view.c core/units.c core/utf8.c \
	core/backoff.h core/broker.h core/broker_internal.h core/buffer.h core/certificate.h core/clock.h \
	core/config.h core/config_internal.h core/config_rows.h core/control.h core/digest.h core/document.h \
	core/embed.h core/error.h core/exec_child.h core/exec_message.h core/exec_order.h core/handler.h \
	core/handler_kind.h core/handler_module.h core/handler_service.h core/id.h core/io.h core/lines.h core/log.h \
	core/node.h core/program.h core/queue_settings.h core/redact.h core/schema.h core/schema_internal.h \
	core/scoreboard.h core/secrets.h core/task.h core/task_filter.h core/task_internal.h core/units.h core/utf8.h

# The scripts are part of the program; automake sees no dependency in an .incbin.
broker_scripts = core/broker/called.lua core/broker/cancel.lua core/broker/change.lua core/broker/common.lua \
	core/broker/delete.lua core/broker/demands.lua core/broker/depths.lua core/broker/drop.lua core/broker/due.lua \
	core/broker/grab.lua core/broker/holdings.lua core/broker/lease.lua core/broker/leave.lua core/broker/log.lua \
	core/broker/logged.lua core/broker/look.lua core/broker/mark.lua core/broker/node.lua core/broker/nodes.lua \
	core/broker/page.lua core/broker/pause.lua core/broker/purge.lua core/broker/put.lua core/broker/recover.lua \
	core/broker/restore.lua core/broker/retain.lua core/broker/retry.lua core/broker/settings.lua \
	core/broker/submit.lua core/broker/turn.lua core/broker/wake.lua core/broker/why.lua
EXTRA_DIST += $(broker_scripts)
core/broker_script.$(OBJEXT): $(broker_scripts)
core/config_broker.$(OBJEXT): $(broker_scripts)
core/config_places.$(OBJEXT): $(broker_scripts)
