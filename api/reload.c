#include "api/reload.h"

#include "api/problem.h"
#include "api/request.h"
#include "api/state.h"
#include "core/certificate.h"
#include "core/control.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>

static int read_secrets(const struct node *node, struct secrets **ret_secrets, struct error *error)
{
	int status = secrets_read(ret_secrets, node->secrets);

	return status < 0 ? error_set(error, status, "what the guardian read cannot be taken over") : 0;
}

/* If the configuration has one. */
static int use_certificate(const struct config *config, struct secrets *secrets, struct error *error)
{
	const char *chain, *key;
	size_t chain_length, key_length;
	struct certificate *certificate;

	if (!config->tls.certificate)
		return 0;
	int status = secrets_get(secrets, config->tls.certificate, SIZE_MAX, &chain, &chain_length, error);
	if (status == 0)
		status = secrets_get(secrets, config->tls.key, SIZE_MAX, &key, &key_length, error);
	if (status == 0)
		status = certificate_load(chain, chain_length, key, key_length, &certificate, error);
	if (status == 0)
		certificate_use(certificate);
	return status;
}

static int load(const struct api *api, struct config **ret_config, struct error *error)
{
	const struct node *node = api->node;
	char path[64], *text = NULL, *details = NULL;
	struct secrets *secrets = NULL;
	size_t length;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", node->config_text);
	int status = config_read(path, &text, &length, error);
	if (status == 0)
		status = read_secrets(node, &secrets, error);
	if (status == 0)
		status = config_load_handed_over(
			node->config, text, length, node->module_dir, secrets, ret_config, error, &details);
	if (status == 0)
		status = config_adopt(*ret_config, node->config, error);
	if (status == 0)
		status = use_certificate(*ret_config, (*ret_config)->secrets, error);
	if (status == 0)
		secrets_wipe((*ret_config)->secrets);
	free(text);
	free(details);
	return status;
}

int reload_start(const struct node *node, struct error *error)
{
	struct secrets *secrets;

	if (!node->config->tls.certificate)
		return 0;
	int status = read_secrets(node, &secrets, error);
	if (status < 0)
		return status;
	status = use_certificate(node->config, secrets, error);
	secrets_free(secrets);
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
