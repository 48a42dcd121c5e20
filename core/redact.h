/* redact: keeps what a handler's `redact` names out of what people see of a task's document.
 *
 * Paths are JSON pointers into the document ("/param/0/password"); what they lead to becomes "[redacted]", what leads
 * nowhere means nothing. Pure; any process. */
#ifndef MUSTER_CORE_REDACT_H
#define MUSTER_CORE_REDACT_H

#include "core/buffer.h"
#include "core/config.h"
#include "core/task.h"

/* In a document that was read, in place. Returns 0 or -ENOMEM: it must not be shown then. */
int redact_value(const struct config *config, json_t *document);

/* Appends a document's bytes as they may be seen, at most so many of them. Where nothing is to be kept out, and of what is no
 * document, these are its own. Without memory nothing is appended. */
void redact_append(struct buffer *text, const struct config *config, struct bytes document, size_t most);

#endif
