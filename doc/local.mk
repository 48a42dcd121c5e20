# doc: manual pages (paths and version filled in), and what goes beside them.
man8_MANS = doc/musterd.8
man5_MANS = doc/muster.yaml.5
CLEANFILES += $(man8_MANS) $(man5_MANS)
EXTRA_DIST += doc/musterd.8.in doc/muster.yaml.5.in
dist_doc_DATA += doc/submitting.md

fill_manual = $(SED) -e 's|@VERSION[@]|$(PACKAGE_VERSION)|g' -e 's|@moduledir[@]|$(moduledir)|g' -e 's|@docdir[@]|$(docdir)|g'

doc/musterd.8: doc/musterd.8.in Makefile
	$(AM_V_GEN)$(MKDIR_P) doc && $(fill_manual) $(srcdir)/doc/musterd.8.in >$@

# The settings come from the tables that musterd checks them by.
noinst_PROGRAMS += build-aux/options
build_aux_options_SOURCES = build-aux/options.c
build_aux_options_LDADD = libcore.a $(JANSSON_LIBS) $(YAML_LIBS)
doc/muster.yaml.5: doc/muster.yaml.5.in build-aux/options$(EXEEXT) Makefile
	$(AM_V_GEN)$(MKDIR_P) doc && build-aux/options$(EXEEXT) >$@.options && \
		$(fill_manual) -e '/@OPTIONS[@]/r $@.options' -e '/@OPTIONS[@]/d' $(srcdir)/doc/muster.yaml.5.in >$@ && rm $@.options

# The client's page and the shells' completions come from its table of verbs.
EXTRA_DIST += doc/muster.1.in build-aux/verbs.c
if HAVE_CURL
noinst_PROGRAMS += build-aux/verbs
man1_MANS = doc/muster.1
completions = completion/bash/muster completion/zsh/_muster completion/fish/muster.fish
CLEANFILES += $(man1_MANS) $(completions)
bashcompletiondir = $(datadir)/bash-completion/completions
bashcompletion_DATA = completion/bash/muster
zshcompletiondir = $(datadir)/zsh/vendor-completions
zshcompletion_DATA = completion/zsh/_muster
fishcompletiondir = $(datadir)/fish/vendor_completions.d
fishcompletion_DATA = completion/fish/muster.fish
endif
build_aux_verbs_SOURCES = build-aux/verbs.c
build_aux_verbs_LDADD = libcli.a libcore.a $(CURL_LIBS) $(NCURSES_LIBS) $(JANSSON_LIBS)

doc/muster.1: doc/muster.1.in build-aux/verbs$(EXEEXT) Makefile
	$(AM_V_GEN)$(MKDIR_P) doc && build-aux/verbs$(EXEEXT) manual >$@.verbs && \
		$(fill_manual) -e '/@VERBS[@]/r $@.verbs' -e '/@VERBS[@]/d' $(srcdir)/doc/muster.1.in >$@ && rm $@.verbs
completion/bash/muster: build-aux/verbs$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion/bash && build-aux/verbs$(EXEEXT) bash >$@
completion/zsh/_muster: build-aux/verbs$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion/zsh && build-aux/verbs$(EXEEXT) zsh >$@
completion/fish/muster.fish: build-aux/verbs$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion/fish && build-aux/verbs$(EXEEXT) fish >$@

# The API's description, from the tables that it runs by.
noinst_PROGRAMS += build-aux/openapi
build_aux_openapi_SOURCES = build-aux/openapi.c
build_aux_openapi_LDADD = libapi.a libcore.a $(MICROHTTPD_LIBS) $(HIREDIS_LIBS) $(JANSSON_LIBS) $(YAML_LIBS)
doc_DATA = doc/openapi.json
CLEANFILES += doc/openapi.json
doc/openapi.json: build-aux/openapi$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) doc && build-aux/openapi$(EXEEXT) >$@.new && mv $@.new $@

dist_doc_DATA += doc/dashboard-200.png doc/dashboard-now.png doc/dashboard-phone.png doc/dashboard-task.png \
	doc/dashboard-tasks.png
dist_doc_DATA += README.md doc/architecture.md doc/exec.md doc/exec-adapter.md doc/from-fend.md doc/hacking.md \
	doc/modules.md doc/performance.md doc/reliability.md
exampledir = $(docdir)/examples
dist_example_DATA = doc/examples/muster.yaml doc/examples/asynctask.yaml doc/examples/muster.service

# How to use the API, and how to watch it.
dist_doc_DATA += doc/api.md
clientdir = $(exampledir)/clients
dist_client_DATA = doc/examples/clients/submit.mjs doc/examples/clients/submit.php doc/examples/clients/submit.py doc/examples/clients/submit.sh
crawldir = $(exampledir)/crawl
dist_crawl_DATA = doc/examples/crawl/README.md doc/examples/crawl/crawl.py doc/examples/crawl/crawl.yaml
migratedir = $(exampledir)/migrate
dist_migrate_DATA = doc/examples/migrate/README.md doc/examples/migrate/migrate.py doc/examples/migrate/migrate.yaml
pushdir = $(exampledir)/push
dist_push_DATA = doc/examples/push/README.md doc/examples/push/feed.py doc/examples/push/push.yaml
prometheusdir = $(exampledir)/prometheus
dist_prometheus_DATA = doc/examples/prometheus/muster-alerts.yaml doc/examples/prometheus/muster-alerts-test.yaml doc/examples/prometheus/prometheus.yml
grafanadir = $(exampledir)/grafana
dist_grafana_DATA = doc/examples/grafana/muster-dashboard.json
