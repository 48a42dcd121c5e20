#include "cli/doctor.h"

#include "cli/call.h"
#include "cli/context.h"
#include "cli/memory.h"
#include "cli/view.h"
#include "core/clock.h"
#include "core/io.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOCK_SLACK_MS = 2000, FILES_WANTED = 4096, FILE_MAX = 64 * 1024 };

enum level { LEVEL_FINE, LEVEL_WARNING, LEVEL_WRONG };

static const char *const level_words[] = {"ok", "warning", "wrong"};
static const enum paint level_paints[] = {PAINT_GOOD, PAINT_WARN, PAINT_BAD};

struct doctor {
	struct call *call;
	json_t *findings; /* owned: [{check, level, found, remedy}] */
	enum level worst;
};

static void find(struct doctor *doctor, const char *check, enum level level, const char *remedy, const char *format,
	...) __attribute__((format(printf, 5, 6)));
/* remedy: NULL where nothing is to be done. */
static void find(
	struct doctor *doctor, const char *check, enum level level, const char *remedy, const char *format, ...)
{
	va_list arguments;
	char *found;

	va_start(arguments, format);
	int length = vasprintf(&found, format, arguments);
	va_end(arguments);
	(void)memory_or_end(length < 0 ? NULL : found);
	(void)json_array_append_new(doctor->findings, json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "level",
							      level_words[level], "found", found, "remedy", remedy));
	doctor->worst = level > doctor->worst ? level : doctor->worst;
	if (!call_has(doctor->call, OPTION_JSON)) {
		const struct terminal *terminal = &doctor->call->terminal;
		(void)printf("%s%-8s%s %-16s ", terminal_begin(terminal, level_paints[level]), level_words[level],
			terminal_end(terminal, level_paints[level]), check);
		(void)terminal_text(stdout, found, -1);
		if (remedy)
			(void)printf("\n%26s-> %s", "", remedy);
		(void)putchar('\n');
	}
	free(found);
}

/* What is answered, which the caller releases. False: it has been found wrong. */
static bool ask(struct doctor *doctor, const char *path, const char *check, struct answer *ret_answer)
{
	struct error error;

	if (client_call(doctor->call->client, "GET", path, NULL, ret_answer, &error) < 0) {
		find(doctor, check, LEVEL_WRONG, NULL, "%s", error.text);
		return false;
	}
	return true;
}

/* ---- over the API ---- */

static void check_clock(struct doctor *doctor, const struct answer *answer)
{
	const int64_t now_ms = clock_wall_ms();
	/* The server's is cut to the second. */
	const int64_t apart_ms = answer->date_ms > now_ms ? answer->date_ms - now_ms : now_ms - answer->date_ms - 1000;

	if (answer->date_ms == 0)
		return;
	if (apart_ms > CLOCK_SLACK_MS)
		find(doctor, "clock", LEVEL_WARNING, "let NTP set both (timedatectl set-ntp true)",
			"the server's clock is %s away from ours", view_age((double)apart_ms / 1000).text);
	else
		find(doctor, "clock", LEVEL_FINE, NULL, "the server's clock agrees with ours");
}

static const char *remedy_of(const char *check)
{
	static const struct {
		const char *check, *remedy;
	} remedies[] = {{"broker", "look at the broker's memory, disk and process; musterd's log says more"},
		{"workers", "`muster workers' shows the reason of the last exit; mend the class, then `muster restart "
			    "POOL'"},
		{"scheduler", "musterd's log says why; it is started anew by itself"},
		{"progress", "`muster why ID' for a task that waits"},
		{"config", "musterd -c FILE --check, then SIGHUP or POST /v1/reload"}};

	for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
		if (strcmp(remedies[i].check, check) == 0)
			return remedies[i].remedy;
	return NULL;
}

static void check_ready(struct doctor *doctor)
{
	struct answer answer;
	const char *name;
	json_t *value;

	if (ask(doctor, "/readyz", "ready", &answer)) {
		json_object_foreach(json_object_get(answer.body, "checks"), name, value)
		{
			const char *text = json_string_value(value);
			if (!text || strcmp(text, "ok") == 0)
				find(doctor, name, LEVEL_FINE, NULL, "ok");
			else
				find(doctor, name, answer.status == 200 ? LEVEL_WARNING : LEVEL_WRONG, remedy_of(name),
					"%s", text);
		}
		check_clock(doctor, &answer);
	}
	answer_fini(&answer);
}

static void check_permission(struct doctor *doctor)
{
	struct answer answer;
	struct error error;

	if (!ask(doctor, "/v1/whoami", "permission", &answer)) {
		answer_fini(&answer);
		return;
	}
	const char *role = view_string(answer.body, "role"), *name = view_string(answer.body, "name");
	if (answer.status != 200) {
		answer_sentence(&answer, &error);
		find(doctor, "permission", LEVEL_WRONG, "ask the server's operator for a token (auth.tokens)", "%s",
			error.text);
	} else if (strcmp(role, "admin") == 0) {
		find(doctor, "permission", LEVEL_FINE, NULL, "we may do everything%s%s", name[0] != '\0' ? ", as " : "",
			name);
	} else {
		find(doctor, "permission", LEVEL_WARNING, "a token with the role admin may do the rest",
			"our role is %s", role);
	}
	answer_fini(&answer);
}

static void check_versions(struct doctor *doctor)
{
	struct answer answer;
	json_t *node;
	size_t i;

	if (ask(doctor, "/v1/nodes", "version", &answer))
		json_array_foreach(json_object_get(answer.body, "nodes"), i, node)
		{
			const char *version = view_string(node, "version");
			const bool same = strcmp(version, MUSTER_VERSION) == 0;
			find(doctor, "version", same ? LEVEL_FINE : LEVEL_WARNING,
				same ? NULL : "install the same version everywhere, then send musterd SIGUSR2",
				"node %s on %s is %s, we are %s", view_string(node, "id"), view_string(node, "host"),
				version, MUSTER_VERSION);
		}
	answer_fini(&answer);
}

/* The one sample of that name in Prometheus' text; -1: there is none. */
static double sample(const char *text, const char *name)
{
	const size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ' ')
			return strtod(line + length, NULL);
	}
	return -1;
}

/* The value of a label of the one sample of that name; "": there is none. What the broker says of itself has no quotes. */
static struct view_text label(const char *text, const char *name, const char *label)
{
	struct view_text value = {""};
	char begin[64];

	(void)snprintf(begin, sizeof begin, "\n%s{", name);
	const char *line = strstr(text, begin);
	const char *end = line ? strchr(line + 1, '\n') : NULL;
	(void)snprintf(begin, sizeof begin, "%s=\"", label);
	const char *found = line ? strstr(line, begin) : NULL;
	if (found && end && found < end)
		(void)snprintf(value.text, sizeof value.text, "%.*s", (int)strcspn(found + strlen(begin), "\"\n"),
			found + strlen(begin));
	return value;
}

/* What the broker does with tasks when it is short of memory, or dies. */
static void check_broker(struct doctor *doctor, const char *metrics)
{
	const struct view_text version = label(metrics, "muster_broker_info", "version"),
			       policy = label(metrics, "muster_broker_info", "maxmemory_policy"),
			       appends = label(metrics, "muster_broker_info", "append_only");

	if (version.text[0] != '\0')
		find(doctor, "version", LEVEL_FINE, NULL, "the broker is Redis %s", version.text);
	if (policy.text[0] != '\0' && strcmp(policy.text, "noeviction") != 0)
		find(doctor, "maxmemory-policy", LEVEL_WRONG,
			"redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its file",
			"the broker may evict keys when its memory is full (%s): accepted tasks would vanish",
			policy.text);
	else if (policy.text[0] != '\0')
		find(doctor, "maxmemory-policy", LEVEL_FINE, NULL, "noeviction");
	if (strcmp(appends.text, "no") == 0)
		find(doctor, "append-only", LEVEL_WARNING,
			"redis-cli CONFIG SET appendonly yes, and the same in its file",
			"the broker keeps no append-only file: its death loses what came after its last snapshot");
	else if (appends.text[0] != '\0')
		find(doctor, "append-only", LEVEL_FINE, NULL, "the broker writes down what it has accepted");
}

static void check_numbers(struct doctor *doctor)
{
	struct answer answer;

	if (ask(doctor, "/metrics", "accounts", &answer) && answer.status == 200) {
		check_broker(doctor, answer.text);
		const double unaccounted = sample(answer.text, "muster_tasks_unaccounted");
		const double dropped = sample(answer.text, "muster_log_dropped_total");
		find(doctor, "accounts", unaccounted > 0 ? LEVEL_WARNING : LEVEL_FINE,
			unaccounted > 0 ? "look again in a minute; if it stays, report it" : NULL,
			"%.0f tasks are unaccounted for", unaccounted < 0 ? 0 : unaccounted);
		if (dropped > 0)
			find(doctor, "log", LEVEL_WARNING, "read musterd's log faster, or give it a file (log.file)",
				"%.0f log lines were dropped", dropped);
	}
	answer_fini(&answer);
}

/* ---- on this machine ---- */

static char *read_text(const char *path)
{
	char *text;
	size_t length;

	return io_read_file(path, FILE_MAX, &text, &length) < 0 ? NULL : text;
}

/* The server's, where its workers are processes of this machine. */
static void check_files(struct doctor *doctor)
{
	struct answer answer;
	char path[64];

	if (!ask(doctor, "/v1/workers", "limits", &answer)) {
		answer_fini(&answer);
		return;
	}
	const json_t *worker = json_array_get(json_object_get(answer.body, "workers"), 0);
	(void)snprintf(path, sizeof path, "/proc/%lld/limits", (long long)view_integer(worker, "pid"));
	answer_fini(&answer);
	char *text = read_text(path);
	const char *line = text ? strstr(text, "Max open files") : NULL;
	if (line) {
		const long files = strtol(line + strlen("Max open files"), NULL, 10);
		const bool few = files < FILES_WANTED && strncmp(line + strlen("Max open files"), "unlimited", 9) != 0;
		find(doctor, "limits", few ? LEVEL_WARNING : LEVEL_FINE,
			few ? "LimitNOFILE=65536 in its unit, or ulimit -n" : NULL, "workers may open %ld files",
			files);
	}
	free(text);
}

/* Whether the server runs on this machine, so that its paths are ours. */
static bool is_here(struct doctor *doctor)
{
	struct answer answer;
	char host[HOST_NAME_MAX + 1] = "";
	bool here = false;
	json_t *node;
	size_t i;

	(void)gethostname(host, sizeof host - 1);
	if (ask(doctor, "/v1/nodes", "permission", &answer))
		json_array_foreach(json_object_get(answer.body, "nodes"), i, node) here =
			here || (view_flag(node, "self") && strcmp(view_string(node, "host"), host) == 0);
	answer_fini(&answer);
	return here;
}

static void check_mode(struct doctor *doctor, const char *what, const char *path, const char *remedy)
{
	struct stat facts;

	if (path[0] == '\0' || stat(path, &facts) < 0)
		return;
	const bool open = (facts.st_mode & 0077) != 0;
	find(doctor, "permission", open ? LEVEL_WARNING : LEVEL_FINE, open ? remedy : NULL, "%s %s is %s", what, path,
		open ? "open to others" : "its owner's alone");
}

/* Loopback addresses and unix sockets carry nothing that others hear. */
static bool is_heard(const char *address)
{
	return strncmp(address, "unix:", 5) != 0 && strncmp(address, "127.", 4) != 0 &&
	       strncmp(address, "[::1]", 5) != 0 && strncmp(address, "localhost:", 10) != 0;
}

static void check_listen(struct doctor *doctor, const json_t *settings)
{
	const bool clear = view_string(json_object_get(settings, "tls"), "certificate")[0] == '\0';
	const json_t *address;
	size_t i;

	json_array_foreach(json_object_get(settings, "listen"), i, address)
	{
		const char *text = json_string_value(address);
		if (clear && text && is_heard(text))
			find(doctor, "tls", LEVEL_WARNING, "give it tls.certificate and tls.key, or a proxy in front",
				"tokens and tasks go to %s in the clear", text);
	}
}

static void check_settings(struct doctor *doctor)
{
	struct answer answer;
	json_t *token;
	size_t i;

	if (ask(doctor, "/v1/config", "permission", &answer) && answer.status == 200) {
		const json_t *settings = json_object_get(answer.body, "settings");
		check_listen(doctor, settings);
		if (is_here(doctor)) {
			check_mode(doctor, "the state directory", view_string(settings, "state_dir"), "chmod 700 it");
			json_array_foreach(json_object_get(json_object_get(settings, "auth"), "tokens"), i, token)
				check_mode(doctor, "the token in", view_string(token, "token_file"), "chmod 600 it");
		}
	}
	answer_fini(&answer);
}

static void check_memory(struct doctor *doctor)
{
	char *text = read_text("/proc/sys/vm/overcommit_memory");

	if (text && text[0] == '2')
		find(doctor, "memory", LEVEL_WARNING, "sysctl vm.overcommit_memory=1",
			"overcommit is forbidden here: a broker on this machine may fail to rewrite its file");
	else if (text)
		find(doctor, "memory", LEVEL_FINE, NULL, "overcommit is allowed here");
	free(text);
}

static void check_contexts(struct doctor *doctor)
{
	char path[PATH_MAX];
	struct stat facts;

	context_path(path);
	if (path[0] == '\0' || stat(path, &facts) < 0)
		return;
	if ((facts.st_mode & 0077) != 0)
		find(doctor, "contexts", LEVEL_WARNING, "chmod 600 it", "%s is open to others", path);
	else
		find(doctor, "contexts", LEVEL_FINE, NULL, "%s is ours alone", path);
}

int doctor_run(struct call *call)
{
	struct doctor doctor = {.call = call, .findings = json_array()};
	struct answer answer;

	/* Nothing else can be found where nobody answers. */
	const bool reached = ask(&doctor, "/healthz", "server", &answer);
	answer_fini(&answer);
	if (reached) {
		find(&doctor, "server", LEVEL_FINE, NULL, "%s answers", client_url(call->client));
		check_permission(&doctor);
		check_versions(&doctor);
		check_ready(&doctor);
		check_numbers(&doctor);
		check_files(&doctor);
		check_settings(&doctor);
	}
	check_memory(&doctor);
	check_contexts(&doctor);
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(call,
			json_pack("{s:s, s:O}", "verdict", level_words[doctor.worst], "findings", doctor.findings));
	json_decref(doctor.findings);
	if (!reached)
		return EXIT_UNREACHABLE;
	return doctor.worst == LEVEL_WRONG ? EXIT_REFUSED : EXIT_DONE;
}
