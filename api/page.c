#include "api/page.h"

#include "core/embed.h"

EMBED_FILE(web_index_html, "web/index.html");
EMBED_FILE(web_muster_css, "web/muster.css");
EMBED_FILE(web_muster_js, "web/muster.js");

/* Nothing but our own two files and our own API: whatever text of a task should slip through is no code here. */
static const char policy[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void answer_file(struct request *request, const char *type, const char *bytes, size_t length)
{
	answer_static(request, 200, type, bytes, length);
	answer_header(request, "Content-Security-Policy", policy);
}

void page_index(struct request *request)
{
	answer_file(request, "text/html; charset=utf-8", web_index_html, embed_length(web_index_html));
}

void page_style(struct request *request)
{
	answer_file(request, "text/css; charset=utf-8", web_muster_css, embed_length(web_muster_css));
}

void page_script(struct request *request)
{
	answer_file(request, "text/javascript; charset=utf-8", web_muster_js, embed_length(web_muster_js));
}
