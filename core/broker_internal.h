/* broker_internal: one connection and the calls over it, between the broker*.c files alone.
 *
 * A call is a pipeline: begin (connects if needed), commands with their arguments, run. Arguments go into the request
 * with their lengths; nothing is ever a format. */
#ifndef MUSTER_CORE_BROKER_INTERNAL_H
#define MUSTER_CORE_BROKER_INTERNAL_H

#include "core/broker.h"
#include "core/buffer.h"

#include <hiredis/hiredis.h>

enum broker_script {
	SCRIPT_TURN,
	SCRIPT_RECOVER,
	SCRIPT_HOLDINGS,
	SCRIPT_SUBMIT,
	SCRIPT_LOOK,
	SCRIPT_CANCEL,
	SCRIPT_DUE,
	SCRIPT_WAKE,
	SCRIPT_GRAB,
	SCRIPT_PUT,
	SCRIPT_DROP,
	SCRIPT_NODE,
	SCRIPT_LEAVE,
	SCRIPT_NODES,
	SCRIPT_RETAIN,
	SCRIPT_DEPTHS,
	SCRIPT_MARK,
	SCRIPT_LOG,
	SCRIPT_LOGGED,
	SCRIPT_CALLED,
	SCRIPT_RETRY,
	SCRIPT_DELETE,
	SCRIPT_PURGE,
	SCRIPT_PAGE,
	SCRIPT_PAUSE,
	SCRIPT_RESTORE,
	SCRIPT_CHANGE,
	SCRIPT_WHY,
	SCRIPT_SETTINGS,
	SCRIPT_COUNT,
	SCRIPT_NONE = -1, /* a plain command */
};

enum {
	BROKER_COMMANDS_MAX = 6, /* in one pipeline */
	BROKER_SHA_LENGTH = 40,
	BROKER_HOST_MAX = 255,
	BROKER_LEARNED_MAX = 16,
};

struct broker_command {
	size_t start; /* where it begins in the request */
	size_t sha;   /* where its script's sha stands */
	int script;   /* enum broker_script */
};

struct broker_place { /* port 0: none */
	char host[BROKER_HOST_MAX + 1];
	int port;
};

/* What keeps a submission through a power cut (broker_power.c). */
enum broker_power { POWER_UNKNOWN, POWER_NONE, POWER_SYNCED /* its disk */, POWER_COPIED /* its replicas */ };

/* What broker_wait_* has sent. */
enum broker_waiting {
	WAITING_FOR_NOTHING,
	WAITING_FOR_DUE,
	WAITING_FOR_BELL,
	WAITING_FOR_LIST,
	WAITING_FOR_FOREIGN_LIST
};

struct broker {
	const struct config *config;
	redisContext *redis; /* NULL: not connected */
	struct scoreboard_histogram *histogram;
	char namespace[CONFIG_NAME_MAX + 3]; /* "{ns}" */
	size_t list_count;                   /* queues that have a plain list in the broker's own database */
	char *password;                      /* owned: read anew from its file; NULL: the configuration's holds */

	struct ssl_ctx_st *tls_context; /* owned; NULL: not made yet (broker_tls.c) */
	struct ssl_st *tls;             /* the connection's, which owns it; NULL: it is plain */

	enum broker_power power;    /* of this connection's Redis */
	struct broker_place place;  /* where it is now, as the sentinels or a cluster say */
	int64_t asks_until_mono_ns; /* our slot is on its way to that place, which wants ASKING; 0: it is not */
	size_t asked_count;         /* commands sent behind an ASKING whose replies are still to come */
	bool asked_answered;        /* of the next of them, ASKING's own reply has been received */
	bool moved;                 /* a reply has just named that place: say the same there */
	size_t next;                /* of the places that may know: which one to begin with */
	bool sentinels_want_password;
	struct broker_place learned[BROKER_LEARNED_MAX]; /* nodes of the cluster */
	size_t learned_count;

	char sha[SCRIPT_COUNT][BROKER_SHA_LENGTH + 1]; /* "": not loaded yet */

	struct buffer request;
	struct broker_command commands[BROKER_COMMANDS_MAX];
	size_t command_count;
	size_t arguments_left; /* that the last command has announced and not got yet */

	enum broker_waiting waiting;
	int waiting_queue;
	int64_t waiting_until_mono_ns; /* later than that, Redis is stuck */
	redisReply *received[BROKER_COMMANDS_MAX];
	size_t received_count;
	redisReply *announcement; /* what broker_next has lent */
};

/* A request that is being made, while another one is made and answered. */
struct broker_aside {
	struct buffer request;
	struct broker_command commands[BROKER_COMMANDS_MAX];
	size_t command_count;
};

/* ---- broker_request.c: requests ---- */

int broker_begin(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* A command and how many arguments follow. A script gets the namespace as its only key by itself. */
void broker_command(struct broker *broker, const char *name, size_t argument_count);
void broker_script(struct broker *broker, enum broker_script script, size_t argument_count);

void broker_argument(struct broker *broker, const char *bytes, size_t length);
void broker_argument_pair(struct broker *broker, struct bytes first, struct bytes second); /* as one argument */
void broker_argument_text(struct broker *broker, const char *text);
void broker_argument_integer(struct broker *broker, int64_t number);
void broker_argument_key(struct broker *broker, const char *name, const char *rest); /* {ns}:<name><rest> */

/* `n (queue list)×n` of the plain lists in this database: broker_list_arguments of them. */
size_t broker_list_arguments(const struct broker *broker);
void broker_append_lists(struct broker *broker);
/* `n queue×n` of all configured queues. */
size_t broker_queue_arguments(const struct broker *broker);
void broker_append_queues(struct broker *broker);

/* ---- broker_request.c: calls ---- */

struct broker_patience {
	int64_t until_mono_ns;
	int stop_fd;         /* readable: BROKER_STOPPED; -1: none */
	bool blocks;         /* the first command waits: no round trip to be counted */
	bool from_the_start; /* when a script turns out to be lost, say all again, not only what came from it on */
};

/* Sends the pipeline and receives one reply for each command, errors among them, owned by the caller. Returns 0, or a
 * failure with the connection closed. */
int broker_exchange(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error);
/* The same, where an error reply is a failure as well: what it means; the connection is closed then, except after
 * BROKER_GONE, BROKER_HELD and BROKER_FULL. A cluster's word that our keys lie elsewhere is followed. */
int broker_run(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error);
/* The same, following nobody: for what is said while connecting. */
int broker_run_here(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error);
/* The same for a pipeline of one command. */
int broker_call(struct broker *broker, int64_t until_mono_ns, redisReply **ret_reply, struct error *error);
/* The same, where a whole number is answered. */
int broker_call_integer(struct broker *broker, int64_t until_mono_ns, int64_t *ret_number, struct error *error);

/* Sends without receiving. */
int broker_send(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* Receives what broker_send has asked for: a reply for each command, as broker_exchange does. */
int broker_receive(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error);

/* Replies that have arrived, without waiting: 1 and one reply, 0: none yet, BROKER_AWAY. */
int broker_receive_arrived(struct broker *broker, redisReply **ret_reply, struct error *error);

/* Fails with BROKER_AWAY: "the broker at … <why>"; the connection is closed. */
int broker_lose(struct broker *broker, const char *why, struct error *error);

/* A reply that did not come in time: BROKER_AWAY. */
int broker_miss(struct broker *broker, struct error *error);

/* ---- broker_reply.c ---- */

/* What an error reply means; disconnects where the header of broker.h says so. */
int broker_refuse(struct broker *broker, const redisReply *reply, struct error *error);

/* A reply that the scripts never give. */
int broker_surprise(struct broker *broker, struct error *error);

/* The value of `name:` in the answer to INFO; NULL when it is not there. Ends at the line's end, not at a NUL. */
const char *broker_info(const redisReply *info, const char *name);

/* ---- broker_reach.c ---- */

/* Opens the connection: to the socket, to where the sentinels say the master is, or to a node that is known. */
int broker_reach(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* That place was no good: begin with another one next time. */
void broker_doubt(struct broker *broker);

/* AUTH, in the request that is being made, if there is a password. */
void broker_append_auth(struct broker *broker);

/* ---- broker_cluster.c ---- */

/* The text behind "MOVED": `slot host:port`; an empty host is where we are connected to. Returns 0 or -EINVAL. */
int broker_follow(struct broker *broker, const char *text);

/* The same of "ASK", on the connection that said it. While a slot moves, key by key, either node would take for missing
 * what the other has, so we go to where it is moving to only when the node that gives it away has none of its keys left:
 * it makes none anew. From then on commands are preceded by ASKING. Returns 0, -EAGAIN when some are left, or -EINVAL. */
int broker_follow_asked(struct broker *broker, const char *text);

/* That was a while ago: ask again, for the move may have been called off. Closes the connection then. */
void broker_doubt_asked(struct broker *broker);

void broker_forget_place(struct broker *broker);

/* In a cluster all plain lists must lie in the slot of our keys: BROKER_UNFIT names the first that does not. */
int broker_check_slots(const struct broker *broker, const char *place, struct error *error);

/* Asks for the cluster's other nodes, for when this one is gone. */
int broker_learn(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* ---- broker_tls.c ---- */

/* On a connection that has just been made, to `host`: certificate and name are always verified. BROKER_UNFIT when they, or
 * our own certificate, are no good; the connection is closed then. */
int broker_tls_begin(
	struct broker *broker, const char *host, const char *place, int64_t until_mono_ns, struct error *error);

/* Returns how many bytes were taken, -EAGAIN or -EPIPE. */
ssize_t broker_tls_write(struct broker *broker, const char *bytes, size_t length);

/* What was made of the configuration's certificates. */
void broker_tls_forget(struct broker *broker);

/* ---- broker_power.c: `durability: power` with an external Redis ---- */

/* broker_begin for what must outlive a power cut, if the configuration says so: BROKER_UNCOPIED when nothing of this Redis
 * would. */
int broker_begin_durable(struct broker *broker, int64_t until_mono_ns, struct error *error);
/* Behind what was written, in the same request: waits for a replica. Returns false when there is nothing to wait for. */
bool broker_append_copy(struct broker *broker, int64_t until_mono_ns);
/* What came of it: BROKER_UNCOPIED when none has confirmed. */
int broker_check_copy(struct broker *broker, const redisReply *copied, struct error *error);

/* ---- broker.c ---- */

/* Begins a small one, on the connection as it is. */
void broker_set_aside(struct broker *broker, struct broker_aside *ret_aside);
void broker_put_back(struct broker *broker, const struct broker_aside *aside);

/* Where the broker is, for people: never with a password. */
void broker_describe(const struct broker *broker, char *text, size_t size);

/* ---- broker_script.c ---- */

/* The script's text as Redis gets it: owned in *ret_text. */
int broker_script_text(enum broker_script script, struct buffer *ret_text);

void broker_reply_free(redisReply **reply);               /* for _cleanup_ */
struct bytes broker_reply_bytes(const redisReply *reply); /* data NULL unless it is a string */

#endif
