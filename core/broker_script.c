#include "core/broker_internal.h"

#include "core/embed.h"

#include <assert.h>
#include <string.h>

EMBED_FILE(common_lua, "core/broker/common.lua");
EMBED_FILE(demands_lua, "core/broker/demands.lua");
EMBED_FILE(lease_lua, "core/broker/lease.lua");
EMBED_FILE(turn_lua, "core/broker/turn.lua");
EMBED_FILE(recover_lua, "core/broker/recover.lua");
EMBED_FILE(holdings_lua, "core/broker/holdings.lua");
EMBED_FILE(submit_lua, "core/broker/submit.lua");
EMBED_FILE(look_lua, "core/broker/look.lua");
EMBED_FILE(cancel_lua, "core/broker/cancel.lua");
EMBED_FILE(due_lua, "core/broker/due.lua");
EMBED_FILE(wake_lua, "core/broker/wake.lua");
EMBED_FILE(grab_lua, "core/broker/grab.lua");
EMBED_FILE(put_lua, "core/broker/put.lua");
EMBED_FILE(drop_lua, "core/broker/drop.lua");
EMBED_FILE(node_lua, "core/broker/node.lua");
EMBED_FILE(leave_lua, "core/broker/leave.lua");
EMBED_FILE(nodes_lua, "core/broker/nodes.lua");
EMBED_FILE(retain_lua, "core/broker/retain.lua");
EMBED_FILE(depths_lua, "core/broker/depths.lua");
EMBED_FILE(mark_lua, "core/broker/mark.lua");
EMBED_FILE(log_lua, "core/broker/log.lua");
EMBED_FILE(logged_lua, "core/broker/logged.lua");
EMBED_FILE(called_lua, "core/broker/called.lua");
EMBED_FILE(retry_lua, "core/broker/retry.lua");
EMBED_FILE(delete_lua, "core/broker/delete.lua");
EMBED_FILE(purge_lua, "core/broker/purge.lua");
EMBED_FILE(page_lua, "core/broker/page.lua");
EMBED_FILE(pause_lua, "core/broker/pause.lua");
EMBED_FILE(restore_lua, "core/broker/restore.lua");
EMBED_FILE(change_lua, "core/broker/change.lua");
EMBED_FILE(why_lua, "core/broker/why.lua");
EMBED_FILE(settings_lua, "core/broker/settings.lua");

static const struct {
	const char *begin, *end;
} scripts[SCRIPT_COUNT] = {
	[SCRIPT_TURN] = {turn_lua, turn_lua_end},
	[SCRIPT_RECOVER] = {recover_lua, recover_lua_end},
	[SCRIPT_HOLDINGS] = {holdings_lua, holdings_lua_end},
	[SCRIPT_SUBMIT] = {submit_lua, submit_lua_end},
	[SCRIPT_LOOK] = {look_lua, look_lua_end},
	[SCRIPT_CANCEL] = {cancel_lua, cancel_lua_end},
	[SCRIPT_DUE] = {due_lua, due_lua_end},
	[SCRIPT_WAKE] = {wake_lua, wake_lua_end},
	[SCRIPT_GRAB] = {grab_lua, grab_lua_end},
	[SCRIPT_PUT] = {put_lua, put_lua_end},
	[SCRIPT_DROP] = {drop_lua, drop_lua_end},
	[SCRIPT_NODE] = {node_lua, node_lua_end},
	[SCRIPT_LEAVE] = {leave_lua, leave_lua_end},
	[SCRIPT_NODES] = {nodes_lua, nodes_lua_end},
	[SCRIPT_RETAIN] = {retain_lua, retain_lua_end},
	[SCRIPT_DEPTHS] = {depths_lua, depths_lua_end},
	[SCRIPT_MARK] = {mark_lua, mark_lua_end},
	[SCRIPT_LOG] = {log_lua, log_lua_end},
	[SCRIPT_LOGGED] = {logged_lua, logged_lua_end},
	[SCRIPT_CALLED] = {called_lua, called_lua_end},
	[SCRIPT_RETRY] = {retry_lua, retry_lua_end},
	[SCRIPT_DELETE] = {delete_lua, delete_lua_end},
	[SCRIPT_PURGE] = {purge_lua, purge_lua_end},
	[SCRIPT_PAGE] = {page_lua, page_lua_end},
	[SCRIPT_PAUSE] = {pause_lua, pause_lua_end},
	[SCRIPT_RESTORE] = {restore_lua, restore_lua_end},
	[SCRIPT_CHANGE] = {change_lua, change_lua_end},
	[SCRIPT_WHY] = {why_lua, why_lua_end},
	[SCRIPT_SETTINGS] = {settings_lua, settings_lua_end},
};

/* What the second line of a script says that shares more than common.lua. */
static const struct {
	const char *line, *begin, *end;
} shared[] = {
	{"-- with lease.lua\n", lease_lua, lease_lua_end},
	{"-- with demands.lua\n", demands_lua, demands_lua_end},
};

int broker_script_text(enum broker_script script, struct buffer *ret_text)
{
	const char *begin = scripts[script].begin, *end = scripts[script].end;
	const char *body = memchr(begin, '\n', (size_t)(end - begin));
	assert(body && begin[0] == '#'); /* Redis wants `#!lua …` as the very first line */
	body++;
	buffer_append(ret_text, begin, (size_t)(body - begin));
	buffer_append(ret_text, common_lua, embed_length(common_lua));
	for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
		if (strncmp(body, shared[i].line, strlen(shared[i].line)) == 0)
			buffer_append(ret_text, shared[i].begin, (size_t)(shared[i].end - shared[i].begin));
	buffer_append(ret_text, body, (size_t)(end - body));
	return ret_text->status;
}
