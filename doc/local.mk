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

dist_doc_DATA += README.md doc/architecture.md doc/exec.md doc/exec-adapter.md doc/from-fend.md doc/hacking.md \
	doc/modules.md doc/performance.md doc/reliability.md
exampledir = $(docdir)/examples
dist_example_DATA = doc/examples/muster.yaml doc/examples/asynctask.yaml doc/examples/muster.service
