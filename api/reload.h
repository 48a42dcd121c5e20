/* reload: how api follows a configuration that was read again, without losing a connection: it loads the text that the
 * guardian has accepted, by the same steps, and goes on with it. */
#ifndef MUSTER_API_RELOAD_H
#define MUSTER_API_RELOAD_H

struct api;
struct request;

/* Once a turn: takes up the configuration that holds, if it is another one. */
void reload_follow(struct api *api);

/* POST /v1/reload: as SIGHUP. */
void reload_post(struct request *request);

#endif
