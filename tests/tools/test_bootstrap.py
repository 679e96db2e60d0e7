"""The environment: what is missing is installed or named, what is there is left alone."""

import re
import shutil
import subprocess

import pytest

from tools import bootstrap


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(bootstrap.ROOT / name, tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return tmp_path


def test_missing_tools_are_named_as_debian_packages(nothing_installed):
    browser, sandbox, venv = bootstrap.missing_packages()
    assert (browser, sandbox) == ("chromium", "bubblewrap")
    assert venv.startswith("python3.")
    assert venv.endswith("-venv")


def test_any_chromium_will_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name if name != "chromium" else None)
    assert bootstrap.missing_packages() == []


def test_without_venv_it_stops_and_says_which_line_to_run(nothing_installed, monkeypatch):
    monkeypatch.setattr(bootstrap, "_privilege", lambda: None)
    with pytest.raises(bootstrap.BootstrapError, match="sudo apt-get install -y chromium bubble"):
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
    assert "sudo apt-get install -y postgresql" in said


def test_debians_own_place_of_the_server_is_known(nothing_installed, monkeypatch):
    found = [bootstrap.Path("/usr/lib/postgresql/15/bin/initdb")]
    monkeypatch.setattr(bootstrap.Path, "glob", lambda self, pattern: iter(found))
    monkeypatch.setattr(bootstrap, "install_packages", lambda names: names == [])
    assert bootstrap.missing_for_tests() == []


def test_a_finished_environment_is_left_alone(project, monkeypatch):
    stamp = project / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text(bootstrap.fingerprint(project))
    monkeypatch.setattr(bootstrap, "_run", lambda *_: pytest.fail("installed again"))
    bootstrap.environment(project / ".venv")


@pytest.mark.parametrize("changed", ["requirements.txt", "constraints.txt"])
def test_a_changed_pin_is_installed(project, monkeypatch, changed):
    stamp = project / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.write_text(bootstrap.fingerprint(project))
    (project / changed).write_text("numpy==1.0\n")
    ran = []
    monkeypatch.setattr(bootstrap, "_run", lambda command, doing: ran.append(doing))
    bootstrap.environment(project / ".venv")
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
    monkeypatch.setattr(bootstrap, "packages", lambda: None)
    monkeypatch.setattr(bootstrap.sys, "executable", "false")
    monkeypatch.setattr(bootstrap.sys, "_base_executable", "false", raising=False)
    assert bootstrap.main(["--venv", str(project / ".venv")]) == 1
    assert "making the environment failed" in capsys.readouterr().err
    assert not stamp.exists()


def test_every_requirement_is_one_exact_version():
    lines = (bootstrap.ROOT / "requirements.txt").read_text().splitlines()
    names = [line for line in lines if line and line[0] not in "#-"]
    assert all(line.count("==") == 1 for line in names)
    assert "torch==2.13.0" in names
    pinned = (bootstrap.ROOT / "constraints.txt").read_text().lower().replace("_", "-").split()
    plain = [re.sub(r"\[.*\]", "", n).lower().replace("_", "-") for n in names]
    assert [n for n in plain if n not in pinned] == []
    assert "psycopg-binary==3.3.9" in pinned
