"""``minikvm validate`` and ``minikvm schema``."""

import json
import re

import pytest


def test_a_right_file_is_fine(invoke, config, parts):
    result = invoke("validate", config, "-p", parts)
    assert (result.exit_code, result.output) == (0, f"{config}: fine (2 vCPUs)\n")


def test_quiet_says_nothing_of_a_right_file(invoke, config, parts):
    assert invoke("validate", config, "-p", parts, "--quiet").output == ""


def test_the_problems_of_all_files_are_printed_and_the_code_is_2(invoke, config, parts, tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(config.read_text().replace("vcpus: 2", "vcpus: none"))
    result = invoke("validate", tmp_path / "a.yaml", config, tmp_path / "b.yaml", "-p", parts)
    assert result.exit_code == 2
    assert "a.yaml:1:13" in result.stderr and "b.yaml:1:13" in result.stderr and "small.yaml: fine" in result.stdout


def test_an_unknown_name_is_a_problem_with_its_place(invoke, config):
    result = invoke("validate", config, "--no-plugins")
    assert result.exit_code == 2 and "small.yaml:3:11" in result.stderr and "test-strategy" in result.stderr


def test_a_built_in_that_is_left_out_is_a_problem_that_says_so(invoke, config, parts):
    result = invoke("validate", config, "-p", parts, "-p", "no:stale-cpu", "--set", "injectors=[stale-cpu]")
    assert result.exit_code == 2 and "got stale-cpu" in result.stderr and "left out by -p no:stale-cpu" in result.stderr


def test_an_option_of_a_plugin_is_checked(invoke, config, parts):
    result = invoke("validate", config, "-p", parts, "--set", "strategy={name: test-strategy, batch: 65}")
    assert result.exit_code == 2 and "batch" in result.stderr


def test_an_option_may_be_set_on_a_strategy_given_by_name_alone(invoke, config, parts):
    assert invoke("validate", config, "-p", parts, "--set", "strategy.batch=3").exit_code == 0


def test_set_leaves_the_other_places_of_an_anchor_alone(invoke, config, parts):
    lines = "  - &one {request: TLB_FLUSH, targets: all, count: 3}\n  - *one\n"
    config.write_text(config.read_text().replace("  - {request: TLB_FLUSH, targets: all, count: 3}\n", lines))
    result = invoke("validate", config, "-p", parts, "--set", "workload.0.count=-1")
    assert result.exit_code == 2 and "workload[0].count" in result.stderr and "workload[1]" not in result.stderr


def test_the_schema_is_json_and_knows_the_plugins_named(invoke, parts):
    text = invoke("schema", "-p", parts).output
    assert json.loads(text)["type"] == "object" and "test-strategy" in text


def test_the_schema_offers_the_options_that_plugins_declare(invoke, parts):
    tree = json.loads(invoke("schema", "-p", parts).output)
    assert tree["$defs"]["strategy.test-strategy"]["properties"]["batch"]["type"] == "integer"
    assert tree["$defs"]["injector.delay"]["properties"]["points"]["description"]
    assert {"$ref": "#/$defs/strategy.test-strategy"} in tree["properties"]["strategy"]["anyOf"]
    assert {"$ref": "#/$defs/injector.delay"} in tree["properties"]["injectors"]["items"]["anyOf"]


def test_the_schema_knows_no_other_options_of_a_plugin_but_leaves_unknown_plugins_alone(invoke):
    tree = json.loads(invoke("schema", "--no-plugins").output)
    *_, another = tree["properties"]["strategy"]["anyOf"]
    assert tree["$defs"]["strategy.upstream"]["additionalProperties"] is False
    assert "upstream" in another["properties"]["name"]["not"]["enum"] and another["additionalProperties"] is True


@pytest.mark.parametrize("key", ["strategy", "loop"])
def test_the_schema_knows_that_a_strategy_or_loop_may_be_a_c_file(invoke, key):
    tree = json.loads(invoke("schema", "--no-plugins").output)
    assert [option["required"] for option in tree["properties"][key]["anyOf"] if "c" in option.get("properties", {})] == [["c"]]


def test_every_reference_of_the_schema_leads_somewhere(invoke, parts):
    text = invoke("schema", "-p", parts).output
    known = json.loads(text)["$defs"]
    assert {name for name in re.findall(r'"#/\$defs/([^"]+)"', text)} <= set(known)
