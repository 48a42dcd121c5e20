#include "api/api.h"

#include "api/follow.h"
#include "api/http.h"
#include "api/reload.h"
#include "api/sandbox.h"
#include "api/state.h"
#include "api/stream.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	EXIT_MISSING = 69,
	TURN_MS = 1000, /* the loop turns at least so often */
	ROUNDS = 16,    /* trips to the broker in one turn */
	OWN_FDS = 4,    /* that the loop polls beside the doors */
};

static const int64_t stop_ns = 2 * CLOCK_NS_PER_S;     /* after which nobody is waited for */
static const int64_t linger_ns = 20 * CLOCK_NS_PER_MS; /* for the request of who has just connected */

static void close_api(struct api *api)
{
	http_close(api->http);
	waits_close(&api->waits);
	events_close(&api->events);
	audit_close(&api->audit);
	trip_fini(&api->trip);
	link_close(&api->link);
	queue_settings_fini(&api->settings);
	free(api->stream_batch);
	free(api);
}

/* A descriptor for each connection that the configuration allows. */
static void raise_descriptors(const struct node *node)
{
	rlim_t wanted = (rlim_t)node->config->limits.connections * (rlim_t)node->listener_count + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* without it, fewer are served at once */
}

/* Before a route's function says something itself. */
static void clear_link(void *context)
{
	struct api *api = context;

	trip_arrive(&api->trip, &api->link);
}

static int open_api(struct api **ret_api, const struct node *node)
{
	struct api *api = calloc(1, sizeof *api);

	if (!api)
		return -ENOMEM;
	api->own_node = *node;
	api->node = node = &api->own_node;
	api->config_generation = node->scoreboard->header->config_generation;
	api->area = scoreboard_area(node->scoreboard, ROW_API);
	api->promise = (struct promise){.node = node, .area = api->area};
	promise_renew(&api->promise, clock_mono_ns());
	raise_descriptors(node);
	events_open(&api->events);
	int status = link_open(&api->link, node, &api->promise);
	api->link.clear = clear_link;
	api->link.context = api;
	if (status == 0)
		status = waits_open(&api->waits, node->config);
	if (status == 0)
		status = audit_open(&api->audit, node->audit);
	if (status == 0)
		status = http_open(&api->http, api);
	if (status < 0) {
		close_api(api);
		return status;
	}
	*ret_api = api;
	return 0;
}

/* What woke the loop. */
struct ready {
	bool stop, link, waits;
};

/* Sleeps until there is something to do, at most a second. */
static struct ready sleep_until(struct api *api, int stop_fd, int64_t wake_at_mono_ns)
{
	struct pollfd entries[OWN_FDS + NODE_LISTENERS_MAX] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = api->link.up ? broker_fd(api->link.broker) : -1, .events = POLLIN},
		{.fd = waits_fd(&api->waits), .events = POLLIN},
		{.fd = events_fd(&api->events), .events = POLLIN},
	};
	size_t doors = http_fds(api->http, entries + OWN_FDS);
	int most = clock_ms_until(wake_at_mono_ns);

	int timeout = http_timeout_ms(api->http, most < TURN_MS ? most : TURN_MS);
	if (io_poll(entries, OWN_FDS + doors, clock_mono_ns() + timeout * CLOCK_NS_PER_MS) <= 0)
		return (struct ready){0};
	http_ready(api->http, entries + OWN_FDS);
	return (struct ready){
		.stop = entries[0].revents != 0, .link = entries[1].revents != 0, .waits = entries[2].revents != 0};
}

/* Asks the broker once for all that came in; while it works, the answers of the trip before go out and the next requests
 * come in. Until there is no more to do: under load we look up from it only now and then. */
static void exchange(struct api *api)
{
	http_run(api->http);
	for (int rounds = 0; rounds < ROUNDS; rounds++) {
		if (!trip_leave(&api->trip, &api->link) && http_timeout_ms(api->http, 1) > 0)
			return;
		http_run(api->http);
		trip_arrive(&api->trip, &api->link);
	}
}

/* Returns when the next turn is due if nothing wakes us before. */
static int64_t turn(struct api *api, const struct ready *ready)
{
	int64_t now = clock_mono_ns();

	promise_renew(&api->promise, now);
	reload_follow(api);
	queue_settings_follow(&api->settings, api->node->config, api->node->scoreboard);
	idle_look(&api->idle, api->node, now);
	history_look(&api->history, api->node, now);
	if (ready->link)
		link_cut(&api->link);
	int64_t probe_at = link_probe(&api->link, now);
	if (ready->waits)
		waits_hear(&api->waits);
	int64_t waits_at = waits_turn(&api->waits, &api->link, now);
	int64_t events_at = events_turn(api, now);
	exchange(api);
	int64_t stream_at = stream_turn(api, clock_mono_ns());
	int64_t logs_at = follow_turn(api, clock_mono_ns());
	int64_t bulks_at = bulks_turn(&api->bulks, clock_mono_ns());
	int64_t next = probe_at < waits_at ? probe_at : waits_at;
	int64_t pace_at = pace_turn(&api->pace, api->node->config, &api->link, clock_mono_ns());
	if (pace_at < next)
		next = pace_at;
	next = events_at < next ? events_at : next;
	next = bulks_at < next ? bulks_at : next;
	next = logs_at < next ? logs_at : next;
	return stream_at < next ? stream_at : next;
}

static void serve(struct api *api, int stop_fd)
{
	struct ready ready = {0};
	int64_t wake_at = 0;

	api->area->state = SCOREBOARD_IDLE;
	api->area->ready_at = clock_mono_ns();
	while (!ready.stop) {
		wake_at = turn(api, &ready);
		ready = sleep_until(api, stop_fd, wake_at);
	}
}

/* Answers what is in hand; who waits for a task's end hears how it stands. */
static void finish(struct api *api)
{
	const int64_t now = clock_mono_ns(), until = now + stop_ns, linger_until = now + linger_ns;
	struct ready ready = {0};

	api->area->state = SCOREBOARD_DRAINING;
	http_quiesce(api->http);
	waits_stop(&api->waits);
	events_stop(&api->events);
	follow_stop(api);
	api->bulks.stopping = true;
	do {
		(void)turn(api, &ready);
		ready = sleep_until(api, -1, clock_mono_ns() + 5 * CLOCK_NS_PER_MS);
	} while (clock_mono_ns() < (http_busy(api->http) > 0 ? until : linger_until));
}

/* From here on strangers' bytes are read: what is not needed for that is given up. */
static int confine(const struct config *config, struct sandbox_report *ret_report, struct error *error)
{
	/* /etc as a whole: what resolves names is replaced there by files of the same name. Users, time zones, libraries of
	 * the resolver, sizes of workers. Secrets in /etc are kept from us by their modes. */
	const char *readable[] = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/run/systemd/resolve", "/run/resolvconf",
		"/sys/devices/system/cpu", config->broker_password_file, NULL};
	char log_directory[512];
	struct sandbox sandbox = {.readable = readable};

	if (config->log.file) {
		(void)snprintf(log_directory, sizeof log_directory, "%s", config->log.file);
		sandbox.writable = dirname(log_directory);
	}
	return sandbox_enter(&sandbox, ret_report, error);
}

int api_main(const struct node *node, int stop_fd)
{
	struct api *api;
	struct error error;

	int status = reload_start(node, &error);
	if (status < 0) {
		log_error("api cannot take up its certificate", LOG_TEXT("reason", error.text));
		return EXIT_MISSING;
	}
	status = open_api(&api, node);
	if (status < 0) {
		log_error("api cannot start", LOG_TEXT("reason", strerror(-status)));
		return EXIT_MISSING;
	}
	struct sandbox_report confined;
	status = confine(node->config, &confined, &error);
	if (status < 0) {
		log_error("api cannot be confined", LOG_TEXT("reason", error.text));
		close_api(api);
		return EXIT_MISSING;
	}
	log_info("api serves", LOG_INT("listeners", node->listener_count), LOG_INT("landlock", confined.landlock),
		LOG_TEXT("seccomp", confined.seccomp ? "yes" : "no"));
	serve(api, stop_fd);
	finish(api);
	close_api(api);
	return 0;
}
