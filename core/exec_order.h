/* exec_order: a task as a program gets it: one line, the document's own bytes with Muster's members behind its own. */
#ifndef MUSTER_CORE_EXEC_ORDER_H
#define MUSTER_CORE_EXEC_ORDER_H

#include "core/buffer.h"
#include "core/handler.h"

enum { EXEC_ORDER_EXTRA = 1024 * 1024 }; /* most bytes that are added to a document */

/* Replaces what the buffer holds; makes its maximum fit the document. Returns 0 or -ENOMEM. */
int exec_order_write(struct buffer *line, const struct handler_host *host, const struct handler_task *task);

#endif
