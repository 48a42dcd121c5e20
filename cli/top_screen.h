/* top_screen: what `muster top` has on its screen: three panes, or one task that is looked into.
 *
 * The marked row of a pane is known by its name, so that it stays the same worker, queue or task whatever order it is shown in.
 * Drawing finds it again, keeps it in sight, and changes nothing else. */
#ifndef MUSTER_CLI_TOP_SCREEN_H
#define MUSTER_CLI_TOP_SCREEN_H

#include "cli/call.h"
#include "cli/path.h"
#include "cli/top_model.h"

enum top_pane { TOP_WORKERS, TOP_QUEUES, TOP_FAILED, TOP_PANES };

enum { TOP_NAME_MAX = 160 };

struct top_screen {
	struct call *call;
	struct top_model model;
	enum top_pane pane;
	struct {
		char name[TOP_NAME_MAX]; /* of the marked row; "": whichever comes first */
		int index, first;        /* where it was drawn last, and what was the pane's first row */
	} panes[TOP_PANES];
	char said[ERROR_TEXT_MAX]; /* what came of the last key; "": nothing */
	char task[TOP_NAME_MAX];   /* looked into; "": none */
	struct path question;      /* what is posted when the next key is y; its text "": nothing was asked */
	char answer[256];          /* what is said then */
	bool ends;
};

/* The rows of a pane, and what one of them is called. */
const json_t *top_screen_rows(const struct top_screen *screen, enum top_pane pane);
void top_screen_name(enum top_pane pane, const json_t *row, char name[TOP_NAME_MAX]);

/* The marked row of that pane; NULL: another pane is in use, or it has no rows. */
const json_t *top_screen_chosen(const struct top_screen *screen, enum top_pane pane);

void top_screen_draw(struct top_screen *screen);

#endif
