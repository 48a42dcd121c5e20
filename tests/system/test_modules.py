"""What doc/modules.md promises whoever writes a class in C or C++, with the installed header and nothing else of the tree."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import MUSTERD, REPO, run_musterd, until

BUILD = Path(os.environ.get("MUSTERD") or REPO / "build" / "musterd").parent
MANUAL = (REPO / "doc" / "modules.md").read_text()

CXX = r"""
#include <muster.h>
#include <string>

static enum muster_end greet(struct muster_task *task)
{
	const char *name = json_string_value(json_array_get(muster_param(task), 0));

	muster_beat_for(task, 1000);
	if (name == nullptr)
		return muster_fail(task, "greet wants a name");
	return muster_ok(task, json_string(("hello " + std::string(name)).c_str()));
}

static const struct muster_method methods[] = {{"greet", greet}, {nullptr, nullptr}};

const struct muster_module muster_module = {MUSTER_ABI, "Report", methods, nullptr, nullptr};
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The header and what pkg-config says about it, as `make install` puts them."""
    if not (BUILD / "Makefile").exists():
        pytest.skip("this musterd stands beside no Makefile")
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", str(BUILD), "install-dist_includeHEADERS", "install-pkgconfigDATA", f"DESTDIR={root}"],
                   check=True, capture_output=True)
    return root


def pkg_config(installed, *words):
    folder = next(installed.rglob("muster.pc")).parent
    done = subprocess.run(["pkg-config", *words, "muster"], check=True, capture_output=True, text=True,
                          env={**os.environ, "PKG_CONFIG_PATH": str(folder), "PKG_CONFIG_SYSROOT_DIR": str(installed)})
    return done.stdout.split()


def build(installed, folder, name, text, compiler="cc"):
    """As the manual says, in a folder far from the tree."""
    (folder / name).write_text(text)
    target = folder / (Path(name).stem + ".so")
    subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", target.name, name,
                    *pkg_config(installed, "--cflags", "--libs")], check=True, cwd=folder)
    os.chmod(target, 0o755)
    return target


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", MANUAL, re.S)


def config(target, **more):
    return {"user": "root", "handlers": [{"class": "Report", "module": str(target)}], **more}


def test_the_manual_s_example_runs_in_thirty_lines(muster, installed, folder):
    example = blocks("c")[0]
    assert len(example.splitlines()) <= 30
    m = muster(config(build(installed, folder, "report.c", example)))
    assert m.run("Report", "count_words", "to be or not")["result"] == 4
    failed = m.run("Report", "count_words", 7)
    assert failed["state"] == "dead" and failed["error"]["message"] == "count_words wants a text"


def test_it_runs_in_the_foreground_too(installed, folder):
    target = build(installed, folder, "report.c", blocks("c")[0])
    done = run_musterd("--run", "Report", "count_words", '"to be or not"', config=config(target, state_dir=str(folder / "s")))
    assert (done.code, done.out) == (0, "4\n"), done


def test_the_manual_s_service_feeds_the_manual_s_class(muster, installed, folder):
    service = next(block for block in blocks("c") if "muster_service" in block)
    feeder = build(installed, folder, "feeder.c", "#include <muster.h>\n#include <unistd.h>\n" + service)
    report = build(installed, folder, "report.c", blocks("c")[0])
    m = muster({"pools": [{"name": "default", "workers": 1}, {"name": "feeders", "kind": "service", "service": "Feeder", "workers": 1}],
                "handlers": [{"class": "Report", "module": str(report)}, {"class": "Feeder", "module": str(feeder)}]})
    until(lambda: m.queue()["dead_total"] >= 1, 10, "what the service pushed has run")


@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
def test_a_class_in_cxx(installed, folder):
    target = build(installed, folder, "report.cc", CXX, "c++")
    done = run_musterd("--run", "Report", "greet", '"world"', config=config(target, state_dir=str(folder / "s")))
    assert (done.code, done.out) == (0, '"hello world"\n'), done


def test_pkg_config_knows_where_modules_go(installed):
    assert pkg_config(installed, "--variable=moduledir")[0].endswith("/muster")
    version = pkg_config(installed, "--modversion")[0]
    assert version in subprocess.run([MUSTERD, "--version"], capture_output=True, text=True).stdout


def test_the_header_alone_is_all_that_is_installed(installed):
    assert sorted(path.name for path in installed.rglob("*") if path.is_file()) == ["muster.h", "muster.pc"]
