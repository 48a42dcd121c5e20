/* state: what the API's one thread works with. Made in api.c, reached through request->api. */
#ifndef MUSTER_API_STATE_H
#define MUSTER_API_STATE_H

#include "api/audit.h"
#include "api/bulk.h"
#include "api/events.h"
#include "api/history.h"
#include "api/idle.h"
#include "api/link.h"
#include "api/pace.h"
#include "api/promise.h"
#include "api/resident.h"
#include "api/trip.h"
#include "api/waits.h"
#include "core/node.h"
#include "core/queue_settings.h"

struct http;
struct stream;
struct stream_batch;

struct api {
	const struct node *node; /* own_node: its configuration changes under us */
	struct node own_node;
	uint32_t config_generation;   /* that `config` follows */
	struct scoreboard_area *area; /* the API's own */
	struct queue_settings settings;
	struct promise promise;
	struct link link;
	struct trip trip;
	struct waits waits;
	struct events events;
	struct bulks bulks;
	struct idle idle;
	struct history history;
	struct resident resident;
	struct pace pace;
	struct request *keyed;             /* requests under an Idempotency-Key that are in hand */
	struct follower *followers;        /* of tasks' logs; owned by their requests */
	struct stream_batch *stream_batch; /* owned: where streams make their batches; NULL: there was no stream yet */
	struct stream *streams;            /* bodies of NDJSON that are arriving; owned by their requests */
	struct audit audit;
	struct http *http; /* owned */
};

#endif
