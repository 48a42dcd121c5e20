# cli: `muster`, a client of the HTTP API. All but main() is a library, so that its pages are made from the same tables.
if HAVE_CURL
noinst_LIBRARIES += libcli.a
bin_PROGRAMS = muster
endif
libcli_a_SOURCES = cli/arguments.c cli/bench.c cli/bulk.c cli/call.c cli/check.c cli/client.c cli/context.c \
	cli/doctor.c cli/drill.c cli/events.c cli/filter.c cli/logs.c cli/memory.c cli/path.c cli/pools.c cli/process.c \
	cli/push.c cli/push_lines.c cli/queues.c cli/sse.c cli/stat.c cli/table.c cli/tasks.c cli/terminal.c cli/top_document.c cli/verb.c \
	cli/version.c cli/view.c cli/workers.c cli/arguments.h cli/bench.h cli/bulk.h cli/call.h cli/check.h \
	cli/client.h cli/context.h cli/doctor.h cli/drill.h cli/events.h cli/filter.h cli/logs.h cli/memory.h cli/path.h \
	cli/pools.h cli/process.h cli/push.h cli/push_lines.h cli/queues.h cli/sse.h cli/stat.h cli/table.h cli/tasks.h \
	cli/terminal.h cli/top.h cli/top_keys.h cli/top_model.h cli/top_screen.h cli/verb.h cli/version.h cli/view.h cli/workers.h
if HAVE_NCURSES
libcli_a_SOURCES += cli/top.c cli/top_keys.c cli/top_model.c cli/top_screen.c
else
libcli_a_SOURCES += cli/no_top.c
endif
libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(NCURSES_CFLAGS)

muster_SOURCES = cli/muster.c
muster_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS)
muster_LDADD = libcli.a libcore.a $(CURL_LIBS) $(NCURSES_LIBS) $(JANSSON_LIBS)
