/* The dashboard's built files. Made by `npm run build` in web/; .ci/run makes them anew and compares. */
EMBED_FILE(web_app_css, "web/dist/app.css");
EMBED_FILE(web_app_css_gz, "web/dist/app.css.gz");
EMBED_FILE(web_app_js, "web/dist/app.js");
EMBED_FILE(web_app_js_gz, "web/dist/app.js.gz");
EMBED_FILE(web_index_html, "web/dist/index.html");
EMBED_FILE(web_index_html_gz, "web/dist/index.html.gz");

static const struct page_file files[] = {
	WEB_FILE("/assets/app-322722fd1e39.css", "text/css; charset=utf-8", "W/\"322722fd1e39\"", web_app_css),
	WEB_FILE("/assets/app-b160c58f8c12.js", "text/javascript; charset=utf-8", "W/\"b160c58f8c12\"", web_app_js),
	WEB_FILE("/", "text/html; charset=utf-8", "W/\"6ccd9f886ef1\"", web_index_html),
};
