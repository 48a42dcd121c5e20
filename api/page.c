#include "api/page.h"

#include "api/problem.h"
#include "api/squeeze.h"
#include "api/tag.h"
#include "core/embed.h"

#include <string.h>

struct page_file {
	const char *path, *type;
	const char *tag; /* as ETag has it */
	const char *bytes, *end;
	const char *packed, *packed_end; /* the same as gzip */
};

#define WEB_FILE(path, type, tag, symbol)                                                                              \
	{                                                                                                              \
		path, type, tag, symbol, symbol##_end, symbol##_gz, symbol##_gz_end                                    \
	}

#ifdef MUSTER_NO_WEB
static const char left_out[] = "This musterd was built without its dashboard; /v1/workers and /v1/queues are here.\n";
static const struct page_file files[] = {
	{"/", "text/plain; charset=utf-8", "\"none\"", left_out, left_out + sizeof left_out - 1, NULL, NULL},
};
#else
#include "web/dist/files.h"
#endif

/* Nothing but our own files and our own API: whatever text of a task should slip through is no code here. */
static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct page_file *find(const char *path)
{
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

static void answer_bytes(struct request *request, const struct page_file *file)
{
	const bool packed = file->packed && squeeze_is_accepted(request->accept_encoding);
	const char *bytes = packed ? file->packed : file->bytes;
	const char *end = packed ? file->packed_end : file->end;

	answer_static(request, 200, file->type, bytes, (size_t)(end - bytes));
	request->answer.packed = packed;
}

void page_get(struct request *request)
{
	const struct page_file *file = find(request->path);

	if (!file) {
		problem(request, 404, "the page has no such part (any longer): load it anew");
		return;
	}
	if (tag_is_named(request->if_none_match, file->tag))
		answer_static(request, 304, NULL, "", 0);
	else
		answer_bytes(request, file);
	request->answer.cache = strcmp(file->path, "/") == 0 ? "no-cache" : "public, max-age=31536000, immutable";
	answer_header(request, "Content-Security-Policy", policy);
	answer_header(request, "ETag", file->tag);
}
