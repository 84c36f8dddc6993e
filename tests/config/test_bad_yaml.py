"""Texts that are no YAML of ours: each gives exactly these lines, whichever parser PyYAML has."""

from __future__ import annotations

import pytest
import yaml

from minikvm.config import yamldoc

BAD_YAML = {
    "empty file": (
        "",
        [
            "f.yaml:1:1: the file is empty, expected a mapping with the key vm",
        ],
    ),
    "comment only": (
        "# nothing\n",
        [
            "f.yaml:1:1: the file is empty, expected a mapping with the key vm",
        ],
    ),
    "null": (
        "null\n",
        [
            "f.yaml:1:1: got null, expected a mapping with the key vm",
        ],
    ),
    "list at the top": (
        "- 1\n- 2\n",
        [
            "f.yaml:1:1: got a list of 2, expected a mapping with the key vm",
        ],
    ),
    "text at the top": (
        "hello\n",
        [
            "f.yaml:1:1: got hello, expected a mapping with the key vm",
        ],
    ),
    "number at the top": (
        "42\n",
        [
            "f.yaml:1:1: got 42, expected a mapping with the key vm",
        ],
    ),
    "tab as indentation": (
        "vm:\n\tvcpus: 8\n",
        [
            "f.yaml:2:1: got a tab, expected spaces for the indentation",
        ],
    ),
    "tab after spaces": (
        "vm:\n  name: a\n \tvcpus: 8\n",
        [
            "f.yaml:3:2: got a tab, expected spaces for the indentation",
        ],
    ),
    "bad indentation": (
        "vm:\n  vcpus: 8\n name: x\n",
        [
            ("f.yaml:3:2: got name: x, expected valid YAML (the line fits no list or mapping that is open: check the indentation)"),
        ],
    ),
    "colon in a plain value": (
        "vm: {vcpus: 8}\nseed: a: b\n",
        [
            (
                "f.yaml:2:8: got seed: a: b, expected valid YAML (a colon here starts a second value: check the "
                "indentation, or quote the text)"
            ),
        ],
    ),
    "unclosed brace": (
        "vm: {vcpus: 8\n",
        [
            "f.yaml:2:1: got the end of the file, expected more (it ends inside a flow mapping)",
        ],
    ),
    "unclosed bracket": (
        "vm: {vcpus: 8}\ninjectors: [a, b\nseed: 1\n",
        [
            "f.yaml:3:5: got seed: 1, expected valid YAML (a comma or the closing bracket is missing)",
        ],
    ),
    "unclosed quote": (
        'vm: {vcpus: 8, name: "x\n',
        [
            "f.yaml:2:1: got the end of the file, expected more (it ends inside a quoted scalar)",
        ],
    ),
    "at sign": (
        "vm: {vcpus: @8}\n",
        [
            "f.yaml:1:13: got vm: {vcpus: @8}, expected valid YAML (no value starts with this character: quote the text)",
        ],
    ),
    "stray text": (
        "vm: {vcpus: 8}\nworkload\n",
        [
            "f.yaml:2:1: got workload, expected a colon after the key",
        ],
    ),
    "duplicate key": (
        "vm: {vcpus: 8}\nseed: 1\nseed: 2\n",
        [
            "f.yaml:3:1: seed: duplicate key, expected each key once (the first is at line 2, column 1)",
        ],
    ),
    "duplicate inner key": (
        "vm:\n  vcpus: 8\n  vcpus: 9\n",
        [
            "f.yaml:3:3: vm.vcpus: duplicate key, expected each key once (the first is at line 2, column 3)",
        ],
    ),
    "duplicate pin": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: {0: 1, 0x0: 2}}\n",
        [
            "f.yaml:3:26: placement.pins[0]: duplicate key, expected each key once (the first is at line 3, column 20)",
        ],
    ),
    "two documents": (
        "vm: {vcpus: 8}\n---\nvm: {vcpus: 9}\n",
        [
            "f.yaml:2:1: got a second document, expected one document in the file",
        ],
    ),
    "yaml 1.1 directive": (
        "%YAML 1.1\n---\nvm: {vcpus: 8}\n",
        [
            "f.yaml:1:1: got %YAML 1.1, expected %YAML 1.2, or no such line",
        ],
    ),
    "python tag": (
        "vm: !!python/object/apply:os.system [ls]\n",
        [
            (
                "f.yaml:1:5: vm: got the tag !!python/object/apply:os.system, expected no tag, or one of !!str, "
                "!!int, !!float, !!bool, !!null, !!seq, !!map"
            ),
        ],
    ),
    "own tag": (
        "vm: {vcpus: !mine 8}\n",
        [
            ("f.yaml:1:13: vm.vcpus: got the tag !mine, expected no tag, or one of !!str, !!int, !!float, !!bool, !!null, !!seq, !!map"),
        ],
    ),
    "binary tag": (
        "vm: {vcpus: 8, name: !!binary aGVsbG8=}\n",
        [
            ("f.yaml:1:22: vm.name: got the tag !!binary, expected no tag, or one of !!str, !!int, !!float, !!bool, !!null, !!seq, !!map"),
        ],
    ),
    "int tag on text": (
        "vm: {vcpus: !!int eight}\n",
        [
            'f.yaml:1:13: vm.vcpus: got "eight", expected a value of the type !!int',
        ],
    ),
    "merge key": (
        "vm: &v {vcpus: 8}\ncheck: {<<: *v}\n",
        [
            "f.yaml:2:9: check: got <<, expected a name: merge keys are not supported, write the keys out",
        ],
    ),
    "unknown alias": (
        "vm: *nobody\n",
        [
            "f.yaml:1:5: vm: got *nobody, expected an anchor &nobody before it",
        ],
    ),
    "recursion": (
        "vm: &a [*a]\n",
        [
            "f.yaml:1:9: vm[0]: got *a, expected an alias of a value that does not contain it",
        ],
    ),
    "recursion in a mapping": (
        "vm: &a {vcpus: *a}\n",
        [
            "f.yaml:1:16: vm.vcpus: got *a, expected an alias of a value that does not contain it",
        ],
    ),
    "bomb": (
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
            "[*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e "
            "[*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e]\n"
        ),
        [
            "f.yaml:5:29: e[7]: got *d, expected at most 100000 values after its expansion",
        ],
    ),
    "deep nesting": (
        "vm: " + "[" * 900 + "]" * 900 + "\n",
        [
            (
                "f.yaml:1:36: vm[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]...: got "
                "more than 32 levels, expected at most 32 levels of nesting"
            ),
        ],
    ),
    "deep by aliases": (
        "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20 + "\n",
        [
            (
                "f.yaml:2:24: b[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: got *a, expected at "
                "most 32 levels of nesting after its expansion"
            ),
        ],
    ),
    "list as key": (
        "vm: {[1]: 2}\n",
        [
            "f.yaml:1:6: vm: got a list, expected a name or a whole number as the key",
        ],
    ),
    "null as key": (
        "vm: {vcpus: 8}\n~: 3\n",
        [
            "f.yaml:2:1: got ~, expected a name or a whole number as the key",
        ],
    ),
    "true as key": (
        "vm: {vcpus: 8, true: 1}\n",
        [
            "f.yaml:1:16: vm: got true, expected a name or a whole number as the key",
        ],
    ),
    "NUL": (
        "vm: {vcpus: 8}\nseed: \x00\n",
        [
            "f.yaml:2:7: got the character U+0000, expected printable text (is this a binary file?)",
        ],
    ),
    "escape character": (
        "vm: {vcpus: 8}\nse\x1bed: 1\n",
        [
            "f.yaml:2:3: got the character U+001B, expected printable text",
        ],
    ),
    "lone surrogate": (
        "vm: {vcpus: 8, name: '\ud800'}\n",
        [
            "f.yaml:1:23: got the character U+D800, expected printable text",
        ],
    ),
    "very long number": (
        (
            "vm: {vcpus: "
            "9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
            "9999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
            "}\n"
        ),
        [
            ("f.yaml:1:13: vm.vcpus: got 9999999999999999999999999999999999999..., expected a number of at most 100 characters"),
        ],
    ),
}


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def parser(request, monkeypatch):
    if not hasattr(yaml, request.param):
        pytest.skip(f"this PyYAML has no {request.param}")
    monkeypatch.setattr(yamldoc, "_LOADER", getattr(yaml, request.param))


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("case", BAD_YAML)
def test_a_text_that_is_no_yaml_of_ours_is_explained(case, complaints):
    text, expected = BAD_YAML[case]
    assert complaints(text) == expected


@pytest.mark.usefixtures("parser")
def test_nesting_that_is_too_deep_for_the_parser_is_explained_as_ours(complaints):
    (complaint,) = complaints("vm: " + "[" * 5000 + "]" * 5000 + "\n")
    assert complaint.endswith("got more than 32 levels, expected at most 32 levels of nesting")
