/* The dashboard's built files. Made by `npm run build` in web/; .ci/run makes them anew and compares. */
EMBED_FILE(web_app_css, "web/dist/app.css");
EMBED_FILE(web_app_css_gz, "web/dist/app.css.gz");
EMBED_FILE(web_app_js, "web/dist/app.js");
EMBED_FILE(web_app_js_gz, "web/dist/app.js.gz");
EMBED_FILE(web_index_html, "web/dist/index.html");
EMBED_FILE(web_index_html_gz, "web/dist/index.html.gz");

static const struct page_file files[] = {
	WEB_FILE("/assets/app-99bb5da1d3ce.css", "text/css; charset=utf-8", "W/\"99bb5da1d3ce\"", web_app_css),
	WEB_FILE("/assets/app-421dee12e1da.js", "text/javascript; charset=utf-8", "W/\"421dee12e1da\"", web_app_js),
	WEB_FILE("/", "text/html; charset=utf-8", "W/\"1594b635c6d3\"", web_index_html),
};
