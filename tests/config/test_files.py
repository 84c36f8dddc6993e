"""Finding and reading a configuration: every way that a file can be unusable gives one line, and never a hang."""

from __future__ import annotations

import os

import pytest

from minikvm.config import ConfigError, files, find, load, loads, shipped

GOOD = "vm: {vcpus: 8}\n"


@pytest.fixture
def failing_load():
    def message(path: object) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path)
        return str(caught.value)

    return message


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_missing_file_lists_the_shipped_ones(failing_load):
    assert failing_load("nothing-like-it.yaml") == (
        "nothing-like-it.yaml: no such file, expected a YAML file or the name of a shipped configuration: "
        "big, chaos, halt-wakeup, hyperv-flush, ioapic-scan, masterclock, overcommit, quickstart, "
        "seed-nowait, seed-nowait-1vcpu-2entries, seed-nowait-walk, seed-nowait-walk-1vcpu-2entries, "
        "seed-wait, seed-wait-1vcpu-2entries, seed-wait-walk, seed-wait-walk-1vcpu-2entries, shadow-walk, standard, "
        "c/arm64-loop, c/current-cpu, c/linear, c/upstream, c/v1-bitmap or c/x86-loop"
    )


@pytest.mark.parametrize("name", ["quikstart", "quickstrat.yaml"])
def test_a_misspelt_shipped_name_gets_a_hint(failing_load, name):
    assert failing_load(name).endswith("(did you mean quickstart?)")


@pytest.mark.parametrize("name", ["c/v1-bitmp", "c/v1-bitmap.yml", "v1-bitmap", "configs/c/v1-bitmap.yaml"])
def test_a_misspelt_shipped_name_of_c_gets_a_hint(failing_load, name):
    assert failing_load(name).endswith("(did you mean c/v1-bitmap?)")


def test_a_path_with_a_folder_is_not_looked_up_among_the_shipped_ones(failing_load):
    assert failing_load("nowhere/quickstart.yaml").startswith("nowhere/quickstart.yaml: no such file, expected")


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_text_that_can_be_no_file_name_is_refused(failing_load, name):
    assert "not a file name" in failing_load(name)


@pytest.mark.parametrize("name", ["quickstart", "quickstart.yaml"])
def test_a_bare_name_finds_the_shipped_file(name):
    assert load(name).vm.name == "quickstart"


@pytest.mark.parametrize("name", ["c/v1-bitmap", "c/v1-bitmap.yaml"])
def test_a_name_under_c_finds_the_shipped_file_and_its_c_file_beside_it(name):
    strategy = load(name).strategy.name
    assert strategy.endswith("v1-bitmap.c") and os.path.isfile(strategy)


def test_the_configs_folder_here_comes_before_the_shipped_files(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/quickstart.yaml").write_text("vm: {vcpus: 3, name: mine}\n")
    assert load("quickstart").vm.name == "mine"


def test_the_path_itself_comes_before_the_configs_folder(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/a.yaml").write_text("vm: {vcpus: 3}\n")
    (tmp_path / "a.yaml").write_text("vm: {vcpus: 5}\n")
    assert find("a.yaml").resolve() == tmp_path / "a.yaml"


def test_every_promised_configuration_is_shipped():
    assert {"quickstart", "hyperv-flush", "ioapic-scan", "masterclock", "shadow-walk", "overcommit", "halt-wakeup", "chaos", "big"} <= set(
        shipped()
    )


def test_a_directory_is_named_as_such(failing_load, tmp_path):
    assert failing_load(tmp_path) == f"{tmp_path}: a directory, expected a YAML file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named_as_such(failing_load, tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").chmod(0)
    assert failing_load("a.yaml") == "a.yaml: no permission to read it, expected a readable YAML file"


def test_a_link_to_nothing_is_an_error(failing_load, tmp_path):
    (tmp_path / "a.yaml").symlink_to("gone")
    assert failing_load("a.yaml") == "a.yaml: it cannot be read: No such file or directory, expected a readable YAML file"


def test_a_device_is_refused(failing_load):
    assert failing_load("/dev/zero") == "/dev/zero: it cannot be read: it is a device or a socket, expected a readable YAML file"


def test_a_pipe_without_a_writer_does_not_hang(failing_load, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIPE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "pipe")
    assert failing_load("pipe") == "pipe: it cannot be read: the pipe was silent for 0.05 s, expected a readable YAML file"


def test_a_pipe_with_a_text_is_read():
    reader, writer = os.pipe()
    os.write(writer, GOOD.encode())
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}").vm.vcpus == 8
    finally:
        os.close(reader)


def test_a_file_above_one_mebibyte_is_refused(failing_load, tmp_path):
    (tmp_path / "a.yaml").write_text("#" * (1 << 20) + "\n")
    assert failing_load("a.yaml") == "a.yaml: more than 1 MiB, expected a file of at most 1 MiB"


def test_a_binary_file_gives_the_offset_of_its_first_bad_byte(complaints):
    assert complaints(b"\x7fELF\x02\x01\x01\0\0\xff\xfe") == [
        "f.yaml:1:10: got the byte 0xff at offset 9, expected UTF-8 text (is this a binary file?)"
    ]


def test_a_byte_that_is_no_utf_8_gives_line_and_column_in_characters(complaints):
    assert complaints("vm:\n  name: ü".encode() + b"\xe9\n") == ["f.yaml:2:10: got the byte 0xe9 at offset 14, expected UTF-8 text"]


def test_the_offset_of_a_bad_byte_counts_the_byte_order_mark(complaints):
    assert complaints(b"\xef\xbb\xbfa\xff") == ["f.yaml:1:2: got the byte 0xff at offset 4, expected UTF-8 text"]


def test_utf_16_is_named_as_such(complaints):
    assert complaints(GOOD.encode("utf-16")) == ["f.yaml:1:1: got UTF-16, expected UTF-8 text (save the file as UTF-8)"]


def test_carriage_returns_do_not_shift_places(complaints):
    assert complaints(b"vm:\r\n  vcpus: -1\r\n") == ["f.yaml:2:10: vm.vcpus: got -1, expected a whole number 1..4096"]


def test_a_byte_order_mark_does_not_shift_places(complaints):
    assert complaints(b"\xef\xbb\xbfvm: {vcpus: -1}\n") == ["f.yaml:1:13: vm.vcpus: got -1, expected a whole number 1..4096"]


def test_columns_count_characters_and_not_bytes(complaints):
    assert complaints("vm: {name: größe, vcpus: -1}\n") == ["f.yaml:1:26: vm.vcpus: got -1, expected a whole number 1..4096"]


def test_a_text_above_one_mebibyte_is_refused_before_it_is_parsed(complaints):
    assert complaints("ü" * (1 << 19) + "#") == ["f.yaml: more than 1 MiB, expected a text of at most 1 MiB"]


def test_many_problems_are_counted_after_the_first_fifty(complaints):
    lines = complaints("vm: {vcpus: 1}\n" + "".join(f"x{n}: 1\n" for n in range(60)))
    assert (len(lines), lines[-1]) == (51, "f.yaml: and at least 10 more problems")


def test_loads_names_the_text_when_no_name_is_given():
    with pytest.raises(ConfigError, match=r"^<text>:1:1: "):
        loads("")


def test_more_values_than_anybody_writes_are_refused_where_they_begin(complaints):
    # The file, the key and the list count as well: the list may have 99997.
    assert complaints("vm:\n" + "- 1\n" * 100_000) == [
        "f.yaml:99999:3: vm[99997]: got more than 100000 values, expected at most 100000 values"
    ]


def test_a_list_that_is_too_long_is_one_problem(complaints):
    assert complaints("vm: {vcpus: 8}\nworkload:\n" + "- x\n" * 1001) == [
        "f.yaml:3:1: workload: got a list of 1001, expected at most 1000 elements"
    ]


def test_at_most_a_thousand_schema_errors_are_explained():
    with pytest.raises(ConfigError) as caught:
        loads("vm: {vcpus: 1}\n" + "".join(f"x{n}: 1\n" for n in range(1100)))
    assert len(caught.value.problems) == 1000
