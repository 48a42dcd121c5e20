#include "cli/check.h"

#include "cli/call.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

enum level { LEVEL_FINE, LEVEL_WARNING, LEVEL_CRITICAL }; /* also the exit status, as monitoring plugins have it */

static const char *const level_names[] = {"OK", "WARNING", "CRITICAL"};

struct verdict {
	enum level level;
	char text[1024]; /* what is wrong, or how it stands */
	int64_t pending, active, dead;
	double oldest_s;
};

static void judge(struct verdict *verdict, enum level level, const char *sentence)
{
	const size_t used = strlen(verdict->text);

	if (level > verdict->level)
		verdict->level = level;
	(void)snprintf(verdict->text + used, sizeof verdict->text - used, "%s%s", used > 0 ? "; " : "", sentence);
}

/* What readyz says: a refusal is critical, a sentence in a good answer is a warning. */
static void judge_checks(struct verdict *verdict, const struct answer *answer)
{
	const enum level level = answer->status == 200 ? LEVEL_WARNING : LEVEL_CRITICAL;
	struct error sentence;
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(answer->body, "checks"), name, value)
	{
		if (json_is_string(value) && strcmp(json_string_value(value), "ok") != 0)
			judge(verdict, level, json_string_value(value));
	}
	if (answer->status == 200 || verdict->level == LEVEL_CRITICAL)
		return;
	answer_sentence(answer, &sentence);
	judge(verdict, LEVEL_CRITICAL, sentence.text);
}

static void add_up(struct verdict *verdict, const struct call *call, const json_t *queues)
{
	const char *only = call->options[OPTION_QUEUE];
	json_t *queue;
	size_t i;

	json_array_foreach(queues, i, queue)
	{
		const double oldest_s = view_seconds(queue, "oldest_age_seconds");
		if (only && strcmp(only, view_string(queue, "name")) != 0)
			continue;
		verdict->pending += view_integer(queue, "pending");
		verdict->active += view_integer(queue, "active");
		verdict->dead += view_integer(queue, "dead");
		verdict->oldest_s = oldest_s > verdict->oldest_s ? oldest_s : verdict->oldest_s;
	}
}

static void judge_numbers(struct verdict *verdict, const struct call *call)
{
	const double warn_s = (double)call_duration_ms(call, OPTION_WARN_AGE, INT64_MAX) / 1000;
	const double critical_s = (double)call_duration_ms(call, OPTION_CRITICAL_AGE, INT64_MAX) / 1000;
	char text[128];

	if (verdict->oldest_s >= warn_s || verdict->oldest_s >= critical_s) {
		(void)snprintf(
			text, sizeof text, "the oldest task has waited for %s", view_age(verdict->oldest_s).text);
		judge(verdict, verdict->oldest_s >= critical_s ? LEVEL_CRITICAL : LEVEL_WARNING, text);
	}
	if (verdict->dead >= call_integer(call, OPTION_WARN_DEAD, INT64_MAX)) {
		(void)snprintf(text, sizeof text, "%s tasks are dead", view_count(verdict->dead).text);
		judge(verdict, LEVEL_WARNING, text);
	}
}

static void judge_queues(struct verdict *verdict, struct call *call)
{
	struct answer answer;
	struct error error;

	if (client_call(call->client, "GET", "/v1/queues", NULL, &answer, &error) < 0) {
		judge(verdict, LEVEL_CRITICAL, error.text);
	} else if (answer.status != 200) {
		answer_sentence(&answer, &error);
		judge(verdict, LEVEL_CRITICAL, error.text);
	} else {
		add_up(verdict, call, json_object_get(answer.body, "queues"));
		judge_numbers(verdict, call);
	}
	answer_fini(&answer);
}

/* One line, its numbers behind a bar as monitoring systems take them. */
static void print_line(const struct verdict *verdict)
{
	(void)printf("MUSTER %s - ", level_names[verdict->level]);
	if (verdict->level == LEVEL_FINE)
		(void)printf("%s pending, %s active, %s dead", view_count(verdict->pending).text,
			view_count(verdict->active).text, view_count(verdict->dead).text);
	else
		(void)terminal_text(stdout, verdict->text, -1);
	(void)printf(" | pending=%lld active=%lld dead=%lld oldest=%.3fs\n", (long long)verdict->pending,
		(long long)verdict->active, (long long)verdict->dead, verdict->oldest_s);
}

int check_run(struct call *call)
{
	struct verdict verdict = {LEVEL_FINE, "", 0, 0, 0, 0};
	struct answer answer;
	struct error error;

	if (client_call(call->client, "GET", "/readyz", NULL, &answer, &error) < 0) {
		judge(&verdict, LEVEL_CRITICAL, error.text);
	} else {
		judge_checks(&verdict, &answer);
		judge_queues(&verdict, call);
	}
	answer_fini(&answer);
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(
			call, json_pack("{s:s, s:s, s:I, s:I, s:I, s:f}", "status", level_names[verdict.level],
				      "detail", verdict.text, "pending", (json_int_t)verdict.pending, "active",
				      (json_int_t)verdict.active, "dead", (json_int_t)verdict.dead,
				      "oldest_age_seconds", verdict.oldest_s));
	else
		print_line(&verdict);
	return (int)verdict.level;
}
