# server: the processes. All but main() is a library, so that unit tests can reach the pure parts.
noinst_LIBRARIES += libserver.a
libserver_a_SOURCES = server/batch.c server/bell.c server/callbacks.c server/child.c server/elsewhere.c server/embedded.c \
	server/evidence.c server/foreground.c server/guardian.c server/handover.c server/host.c server/init.c \
	server/ledger.c server/listen.c server/notify.c server/obituary.c server/orders.c server/policy.c \
	server/privilege.c server/process.c server/recovery.c server/reload.c server/rollout.c server/run.c \
	server/scheduler.c server/service.c server/several.c server/startup.c server/strays.c server/supervisor.c \
	server/task_log.c server/title.c server/turn.c server/undertaker.c server/upgrade.c server/usage.c \
	server/worker.c server/batch.h server/bell.h server/callbacks.h server/child.h server/elsewhere.h \
	server/embedded.h server/evidence.h server/fault.h server/foreground.h server/guardian.h server/handover.h \
	server/host.h server/init.h server/ledger.h server/notify.h server/obituary.h server/orders.h server/policy.h \
	server/privilege.h server/process.h server/recovery.h server/reload.h server/rollout.h server/run.h \
	server/scheduler.h server/service.h server/several.h server/startup.h server/strays.h server/supervisor.h \
	server/task_log.h server/title.h server/turn.h server/undertaker.h server/upgrade.h server/usage.h \
	server/worker.h

sbin_PROGRAMS = musterd
musterd_SOURCES = server/musterd.c
musterd_LDADD = libserver.a libapi.a libcore.a \
	$(MICROHTTPD_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(YAML_LIBS)
