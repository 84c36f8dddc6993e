"""``minikvm plugins``."""

import json

import pytest


def test_list_has_a_line_for_each(invoke, parts):
    lines = invoke("plugins", "list", "-p", parts).output.splitlines()
    row = next(line for line in lines if "test-strategy" in line)
    assert row.split()[:2] == ["strategy", "test-strategy"] and "A strategy for the tests." in row


def test_list_of_one_kind_has_no_other(invoke, parts):
    output = invoke("plugins", "list", "--kind", "loop", "-p", parts).output
    assert "test-loop" in output and "test-strategy" not in output


def test_the_json_says_all(invoke, parts):
    listed = json.loads(invoke("plugins", "list", "--json", "-p", parts).output)
    assert listed["schema"] == "minikvm.plugins/1"
    (item,) = [item for item in listed["plugins"] if item["name"] == "test-strategy"]
    assert (item["kind"], item["summary"], item["plugin"], item["location"]) == ("strategy", "A strategy for the tests.", parts, parts)
    assert item["distribution"] is None and item["capabilities"] == ["acknowledges"]
    assert item["options"]["properties"]["batch"]["default"] == 8


def test_a_request_of_a_plugin_is_listed(invoke, tmp_path):
    hook = "from minikvm.hookspecs import hookimpl\nfrom minikvm.kinds import RequestDef\n"
    hook += "@hookimpl\ndef minikvm_requests():\n    return [RequestDef('MY_SCAN', 50)]\n"
    (tmp_path / "scan.py").write_text(hook)
    result = invoke("plugins", "list", "--json", "-p", tmp_path / "scan.py")
    assert [(request["name"], request["id"]) for request in json.loads(result.output)["requests"]] == [("MY_SCAN", 50)]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("test-strategy", ["It sends nothing.", "batch", "integer 1..64", "8", "how many at once", "acknowledges", "half: on_put"]),
        ("test-backend", ["Options: none", "Capabilities: acknowledges", "Cost of an IPI: memory"]),
        ("test-injector", ["must report the violation", "Points: ipi.send"]),
        ("test-loop", ["Architecture: arm64"]),
    ],
)
def test_show_explains_one(invoke, parts, name, facts):
    output = invoke("plugins", "show", name, "-p", parts).output
    assert [fact for fact in [*facts, f"File: {parts}"] if fact not in output] == []


def test_show_of_an_unknown_name_gives_the_nearest(invoke, parts):
    result = invoke("plugins", "show", "test-stratgy", "-p", parts)
    assert result.exit_code == 2 and "did you mean test-strategy?" in result.stderr


def test_a_broken_installed_plugin_is_a_warning_on_stderr_and_the_list_goes_on(invoke, parts, tmp_path, monkeypatch):
    (tmp_path / "broken_dist.py").write_text("1/0")
    info = tmp_path / "broken_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[minikvm]\nbroken = broken_dist\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = invoke("plugins", "list", "-p", parts)
    assert result.exit_code == 0 and "test-strategy" in result.stdout
    assert result.stderr.startswith("minikvm: warning: plugin broken (broken-dist 1.0) failed to load: ZeroDivisionError")


def test_a_broken_installed_plugin_is_an_error_when_strict(invoke, tmp_path, monkeypatch):
    (tmp_path / "broken_dist.py").write_text("1/0")
    info = tmp_path / "broken_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[minikvm]\nbroken = broken_dist\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert invoke("plugins", "list", "--strict-plugins").exit_code == 3
