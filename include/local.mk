# The one installed header, and what pkg-config says about it.
dist_include_HEADERS = include/muster.h

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = include/muster.pc
CLEANFILES += include/muster.pc
EXTRA_DIST += include/muster.pc.in

include/muster.pc: include/muster.pc.in Makefile
	$(AM_V_GEN)$(MKDIR_P) include && $(SED) -e 's|@prefix[@]|$(prefix)|' -e 's|@includedir[@]|$(includedir)|' \
		-e 's|@moduledir[@]|$(moduledir)|' -e 's|@VERSION[@]|$(PACKAGE_VERSION)|' $(srcdir)/include/muster.pc.in >$@
