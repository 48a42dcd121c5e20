#include "api/reload.h"

#include "api/problem.h"
#include "api/request.h"
#include "api/state.h"
#include "core/control.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

static int load(const struct api *api, struct config **ret_config, struct error *error)
{
	const struct node *node = api->node;
	char path[64], *text = NULL, *details = NULL;
	struct secrets *secrets = NULL;
	size_t length;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", node->config_text);
	int status = config_read(path, &text, &length, error);
	if (status == 0) {
		status = secrets_read(&secrets, node->secrets);
		if (status < 0)
			(void)error_set(error, status, "what the guardian read cannot be taken over");
	}
	if (status == 0)
		status = config_load_handed_over(
			node->config, text, length, node->module_dir, secrets, ret_config, error, &details);
	if (status == 0)
		secrets_wipe((*ret_config)->secrets);
	if (status == 0)
		status = config_adopt(*ret_config, node->config, error);
	free(text);
	free(details);
	return status;
}

void reload_follow(struct api *api)
{
	const uint32_t generation = api->node->scoreboard->header->config_generation;
	struct config *config = NULL;
	struct error error;

	if (api->config_generation == generation)
		return;
	api->config_generation = generation;
	if (!api->node->config->path)
		return;
	if (load(api, &config, &error) < 0) {
		log_error("api cannot take up the configuration that holds", LOG_TEXT("reason", error.text));
		return;
	}
	api->own_node.config = config;
	broker_use(api->link.broker, config);
	broker_use(api->waits.broker, config);
	log_info("api follows the configuration", LOG_INT("generation", generation));
}

void reload_post(struct request *request)
{
	const struct control_request order = {.verb = CONTROL_RELOAD};

	if (control_send(request->api->node->control_api[1], &order) < 0) {
		problem(request, 503, "the supervisor is behind with its requests");
		answer_header(request, "Retry-After", "1");
		return;
	}
	answer_json(request, 202,
		json_pack("{s:i}", "generation", (int)request->api->node->scoreboard->header->config_generation));
}
