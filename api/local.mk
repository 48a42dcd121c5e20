# api: the HTTP face.
noinst_LIBRARIES += libapi.a
libapi_a_SOURCES = api/access.c api/answer.c api/api.c api/audit.c api/body.c api/bulk.c api/bulk_query.c api/dryrun.c \
	api/events.c api/events_clients.c api/events_workers.c api/exchange.c api/follow.c api/guard.c api/handlers.c \
	api/health.c api/history.c api/http.c api/idle.c api/link.c api/metric_text.c api/metrics.c api/metrics_herd.c \
	api/nodes.c api/one_task.c api/openapi.c api/pace.c api/page.c api/pages.c api/patience.c api/pause.c \
	api/peer.c api/pools.c api/problem.c api/promise.c api/queues.c api/reload.c api/reply.c api/resident.c \
	api/roll.c api/route.c api/sandbox.c api/settings.c api/shape.c api/shapes.c api/split.c api/squeeze.c \
	api/stream.c api/submit.c api/tag.c api/tasks.c api/terms.c api/throttle.c api/trip.c api/waits.c api/whoami.c \
	api/why.c api/workers.c api/access.h api/api.h api/audit.h api/body.h api/bulk.h api/bulk_internal.h \
	api/dryrun.h api/events.h api/events_internal.h api/exchange.h api/follow.h api/guard.h api/health.h \
	api/history.h api/http.h api/idle.h api/link.h api/metric_text.h api/metrics.h api/one_task.h api/openapi.h \
	api/pace.h api/page.h api/pages.h api/patience.h api/pause.h api/peer.h api/problem.h api/promise.h \
	api/queues.h api/reload.h api/reply.h api/request.h api/resident.h api/roll.h api/route.h api/sandbox.h \
	api/settings.h api/shape.h api/split.h api/squeeze.h api/state.h api/stream.h api/tag.h api/tasks.h \
	api/terms.h api/throttle.h api/trip.h api/waits.h api/whoami.h api/workers.h

# The dashboard is part of the program, too.
dashboard = web/dist web/index.html web/package-lock.json web/package.json web/src web/tsconfig.json web/types.mjs \
	web/vite.config.ts
EXTRA_DIST += $(dashboard)
api/page.$(OBJEXT): $(dashboard)
