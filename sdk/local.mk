# sdk: adapters that run classes in other languages. Each is one file that a configuration names by its path.
sdkdir = $(pkgdatadir)/sdk
dist_sdk_DATA = sdk/muster.mjs sdk/muster.php sdk/muster.py
