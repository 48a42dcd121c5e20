#include "api/whoami.h"

#include "api/access.h"
#include "api/peer.h"

static json_t *queues_json(const struct config_token *token)
{
	if (!token || token->queues.count == 0)
		return json_null();
	json_t *queues = json_array();
	for (size_t i = 0; i < token->queues.count; i++)
		(void)json_array_append_new(queues, json_string(token->queues.items[i]));
	return queues;
}

static json_t *process_json(const struct peer *peer)
{
	if (!peer->local)
		return json_null();
	return json_pack(
		"{s:i, s:I, s:I}", "pid", (int)peer->pid, "uid", (json_int_t)peer->uid, "gid", (json_int_t)peer->gid);
}

void whoami_get(struct request *request)
{
	const struct peer peer = request_peer(request);

	answer_json(request, 200,
		json_pack("{s:o, s:s, s:o, s:s, s:o}", "name",
			request->token ? json_string(request->token->name) : json_null(), "role", access_role(request),
			"queues", queues_json(request->token), "address", peer.address, "process",
			process_json(&peer)));
}
