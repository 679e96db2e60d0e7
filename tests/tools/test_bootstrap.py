"""The environment: what is missing is installed or named, what is there is left alone."""

import functools
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile

import pytest

from tools import bootstrap


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap, "DRIVERS_LIBRARY", "libnowhere.so.1")


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in (*bootstrap.REQUIREMENTS.values(), "constraints.txt", "pyproject.toml"):
        shutil.copy(bootstrap.ROOT / name, tmp_path)
    monkeypatch.setattr(bootstrap, "torch_for_the_cpu", lambda pip: False)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return tmp_path


def test_missing_tools_are_named_as_debian_packages(nothing_installed):
    browser, library, sandbox, venv = bootstrap.missing_packages()
    assert (browser, library, sandbox) == ("chromium", "libatomic1", "bubblewrap")
    assert venv.startswith("python3.")
    assert venv.endswith("-venv")


def test_any_chromium_will_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name if name != "chromium" else None)
    assert bootstrap.missing_packages() == []


def test_without_venv_it_stops_and_says_which_line_to_run(nothing_installed, monkeypatch):
    monkeypatch.setattr(bootstrap, "_privilege", lambda: None)
    with pytest.raises(bootstrap.BootstrapError, match="sudo apt-get install -y chromium lib"):
        bootstrap.packages()


def test_without_browser_or_sandbox_it_warns_and_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "missing_packages", lambda: ["bubblewrap"])
    monkeypatch.setattr(bootstrap, "_privilege", lambda: None)
    bootstrap.packages()
    assert "sudo apt-get install -y bubblewrap" in capsys.readouterr().err


def test_with_the_right_it_installs_and_renews_the_lists_once(monkeypatch):
    ran = []

    def run(command, **kwargs):
        ran.append([word for word in command if word in ("install", "update", "bubblewrap")])
        return subprocess.CompletedProcess(command, 100 if len(ran) == 1 else 0)

    monkeypatch.setattr(bootstrap, "_privilege", list)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("APT", raising=False)
    assert bootstrap.install_packages(["bubblewrap"])
    assert ran == [["install", "bubblewrap"], ["update"], ["install", "bubblewrap"]]


def test_a_database_server_is_for_tests_alone(nothing_installed, monkeypatch, capsys):
    assert "postgresql" not in bootstrap.missing_packages()
    monkeypatch.setattr(bootstrap.Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setattr(bootstrap, "_privilege", lambda: None)
    monkeypatch.setattr(bootstrap, "environment", lambda venv: pytest.fail("made anew"))
    assert bootstrap.main(["--for-tests"]) == 0
    said = capsys.readouterr().err
    assert "will be skipped" in said
    assert "sudo apt-get install -y postgresql firefox-esr" in said


def test_debians_own_place_of_the_server_is_known(nothing_installed, monkeypatch):
    found = [bootstrap.Path("/usr/lib/postgresql/15/bin/initdb")]
    monkeypatch.setattr(bootstrap.Path, "glob", lambda self, pattern: iter(found))
    monkeypatch.setattr(bootstrap, "install_packages", lambda names: names == [])
    assert bootstrap.missing_for_tests() == ["firefox-esr"]


def test_a_finished_environment_is_left_alone(project, monkeypatch):
    stamp = project / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text(bootstrap.fingerprint(project))
    monkeypatch.setattr(bootstrap, "_run", lambda *_: pytest.fail("installed again"))
    bootstrap.environment(project / ".venv")


def test_what_grading_needs_is_installed_alone_and_is_part_of_the_whole(project, monkeypatch):
    ran = []
    monkeypatch.setattr(bootstrap, "_run", lambda command, doing: ran.append(command[-1]))
    monkeypatch.setattr(bootstrap, "_make", lambda venv: venv.mkdir(exist_ok=True))
    for part in ("grading", "grading", "all", "all", "grading"):
        bootstrap.environment(project / ".venv", part)
    course = str(project)
    wanted = [str(project / name) for name in bootstrap.REQUIREMENTS.values()]
    assert ran == [wanted[0], course, wanted[1], course]
    assert bootstrap.fingerprint(project, "grading") != bootstrap.fingerprint(project)


def test_a_pin_of_tests_leaves_what_grading_needs_alone(project, monkeypatch):
    monkeypatch.setattr(bootstrap, "_run", lambda *_: None)
    monkeypatch.setattr(bootstrap, "_make", lambda venv: venv.mkdir(exist_ok=True))
    bootstrap.environment(project / ".venv", "grading")
    with (project / "requirements.txt").open("a") as file:
        file.write("another==1.0\n")
    monkeypatch.setattr(bootstrap, "_run", lambda *_: pytest.fail("installed again"))
    bootstrap.environment(project / ".venv", "grading")
    with pytest.raises(pytest.fail.Exception):
        bootstrap.environment(project / ".venv")


@pytest.mark.parametrize("changed", [*bootstrap.REQUIREMENTS.values(), "constraints.txt"])
def test_a_changed_pin_is_installed(project, monkeypatch, changed):
    stamp = project / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text(bootstrap.fingerprint(project))
    (project / changed).write_text("numpy==1.0\n")
    ran = []
    monkeypatch.setattr(bootstrap, "_run", lambda command, doing: ran.append(doing))
    bootstrap.environment(project / ".venv")
    assert not stamp.with_name(".installed-grading").exists()
    assert ran == [
        "making the environment",
        "installing the requirements",
        "installing the course",
    ]


def test_lint_settings_do_not_install_anything(project):
    before = bootstrap.fingerprint(project)
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("line-length = 100", "line-length = 90"))
    assert bootstrap.fingerprint(project) == before


def test_what_is_interrupted_has_no_stamp(project, monkeypatch, capsys):
    stamp = project / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text("of older pins")
    monkeypatch.setattr(bootstrap.sys, "executable", "false")
    monkeypatch.setattr(bootstrap.sys, "_base_executable", "false", raising=False)
    assert bootstrap.main(["--venv", str(project / ".venv")]) == 1
    assert "making the environment failed" in capsys.readouterr().err
    assert not stamp.exists()


def test_every_requirement_is_one_exact_version():
    files = bootstrap.REQUIREMENTS.values()
    lines = [k for name in files for k in (bootstrap.ROOT / name).read_text().splitlines()]
    names = [line for line in lines if line and line[0] not in "#-"]
    assert all(line.count("==") == 1 for line in names)
    assert "torch==2.13.0" in names
    pinned = (bootstrap.ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    plain = [re.sub(r"\[.*\]", "", n).lower().replace("_", "-") for n in names]
    # pip-compile leaves setuptools, which comes with environments, to the requirements
    assert [n for n in plain if n not in pinned and not n.startswith("setuptools==")] == []
    assert "psycopg-binary==3.3.9" in pinned


# --- PyTorch's index of builds for the CPU -----------------------------------------


def wheel(folder, version):
    """Write a wheel of a package torch that holds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as file:
        file.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        )
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path):
    """A small index of packages on this machine; it gives the address of its files."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def x86(monkeypatch):
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: "x86_64")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyPI's build is for the CPU")
def test_the_build_for_the_cpu_comes_from_pytorchs_own_index(index, x86, tmp_path, monkeypatch):
    wheel(tmp_path / "index" / "torch", "2.13.0+cpu")
    wheel(tmp_path / "index" / "torch", "2.14.0+cpu")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target)]
    assert bootstrap.torch_for_the_cpu(pip, index)
    assert [path.name for path in target.iterdir()] == ["torch-2.13.0+cpu.dist-info"]


def test_without_an_answer_it_goes_on_without(index, x86, tmp_path):
    pip = ["false"]
    assert not bootstrap.torch_for_the_cpu(pip, index)  # it knows no torch
    assert not bootstrap.torch_for_the_cpu(pip, "http://127.0.0.1:1")  # nobody listens
    assert not bootstrap.torch_for_the_cpu(pip, "https://index.invalid")  # no such name
    wheel(tmp_path / "index" / "torch", "2.13.0+cpu")
    assert not bootstrap.torch_for_the_cpu(pip, index)  # pip cannot


def test_an_index_that_never_ends_its_answer_is_waited_for_once(x86):
    """A server that says a byte at a time would hold up a limit for each reading."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection:
                while not ended.wait(0.05):
                    try:
                        connection.send(b"H")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        assert not bootstrap.answers(f"http://127.0.0.1:{server.getsockname()[1]}/", 0.3)
        ended.set()


def test_where_pypis_build_is_for_the_cpu_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(bootstrap, "answers", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: "aarch64")
    assert not bootstrap.torch_for_the_cpu(["false"])
