# The dashboard. web/dist is what `npm ci && npm run build` makes of the rest, and kept: nobody needs node to build musterd.
web_files = web/dist/app.css web/dist/app.css.gz web/dist/app.js web/dist/app.js.gz web/dist/files.h web/dist/index.html \
	web/dist/index.html.gz

EXTRA_DIST += $(web_files) web/index.html web/package-lock.json web/package.json web/tsconfig.json web/types.mjs \
	web/vite.config.ts \
	web/src/api.ts web/src/charts.tsx web/src/events.ts web/src/keys.ts web/src/live.ts web/src/log.tsx web/src/main.tsx \
	web/src/pages/nodes.tsx web/src/pages/now.tsx web/src/pages/queues.tsx web/src/pages/settings.tsx \
	web/src/pages/submit.tsx \
	web/src/pages/task.tsx web/src/pages/tasks.tsx web/src/pages/workers.tsx web/src/place.ts web/src/route.ts \
	web/src/schema.ts web/src/style.css web/src/ui.tsx web/src/words.ts

# The dashboard is part of the program, too.
api/page.$(OBJEXT): $(web_files)

EXTRA_DIST += tests/browser/dashboard.mjs tests/browser/many.mjs tests/browser/measure.mjs tests/browser/muster.mjs \
	tests/browser/pictures.mjs tests/browser/package-lock.json tests/browser/package.json tests/browser/run
