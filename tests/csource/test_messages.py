"""What is wrong with a C file is said in one message, with the file and the line; concurrent first uses and odd folders do no harm."""

from __future__ import annotations

import os
import re
import shutil
import textwrap

import pytest
from c_forms import FORMS, GOOD

MASK = "kvm_make_vcpus_request_mask"
CHECK = ("check", "seed-wait-1vcpu-2entries", "--model", "sc", "--strategy")
CONFIG = """\
vm: {vcpus: 2}
host: {sockets: 1, cores: 2, threads: 1}
strategy: {c: PATH}
workload: [{request: TLB_FLUSH, targets: all, count: 3}]
"""


@pytest.fixture
def write(tmp_path):
    """Write a C file; returns its name."""

    def write(text, name="my.c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return name

    return write


@pytest.fixture
def config(tmp_path):
    """Write a configuration that names a C file; returns its name."""

    def config(path, folder="."):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "f.yaml").write_text(CONFIG.replace("PATH", path))
        return f"{folder}/f.yaml" if folder != "." else "f.yaml"

    return config


# ---- the file ----


def test_a_file_that_is_not_there(refused):
    assert refused(*CHECK, "no-such.c") == "minikvm: error: no-such.c: there is no such file; expected a C file\n"


def test_a_file_of_a_configuration_that_is_not_there_is_told_with_its_place_and_a_near_name(refused, write, config):
    write(GOOD, "mine.c")
    said = refused("validate", config("mina.c"))
    assert said.splitlines()[0].startswith('f.yaml:3:15: strategy.c: got "mina.c", expected the path of a C file (no such file: mina.c)')
    assert "mine.c" in said.replace("mina.c", "")


def test_a_folder(refused, tmp_path):
    (tmp_path / "folder.c").mkdir()
    assert "folder.c: this is a folder; expected a C file" in refused(*CHECK, "folder.c")


def test_a_binary(refused, write):
    assert "my.c: this is a binary file; expected C" in refused(*CHECK, write(b"\x7fELF\0\0"))


def test_an_empty_file_is_told_what_is_expected(refused, write):
    said = refused(*CHECK, write(""))
    assert f"my.c: neither {MASK}() nor kvm_make_all_cpus_request() is defined; expected one of" in said


def test_a_form_that_is_not_known_is_quoted_with_its_line_and_the_accepted_ones(refused, write):
    said = refused(*CHECK, write(f"""\

        bool {MASK}(struct kvm *kvm, unsigned int req, int flags)
        {{
            return false;
        }}
        """))
    assert f"my.c:2: {MASK}(struct kvm *kvm, unsigned int req, int flags) has no form that minikvm knows; expected one of\n" in said
    assert f"bool {MASK}(struct kvm *kvm, unsigned int req, unsigned long *vcpu_bitmap)\n" in said


def test_a_syntax_error_has_the_users_file_and_line(refused, write):
    said = refused(*CHECK, write(GOOD.replace("return false;", "return 0 0;")))
    assert said.startswith("minikvm: error: my.c does not compile:\n")
    assert re.search(r"^my\.c:3:\d+: error: ", said, re.MULTILINE), said


def test_a_name_that_is_missing_comes_with_near_names(refused, write):
    said = refused(*CHECK, write(GOOD.replace("return false;", "smp_mb__after_atmic(); return false;")))
    assert "smp_mb__after_atmic is not in minikvm/kernel.h; near names there: smp_mb__after_atomic" in said


def test_work_that_an_ipi_is_to_do_is_refused_with_its_line(refused, write):
    said = refused(*CHECK, write("""\
        static int count;
        static void work(void *info) { count++; }
        bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
        {
            preempt_disable();
            smp_call_function_many(cpu_online_mask, work, NULL, true);
            preempt_enable();
            return true;
        }
        """))
    assert "my.c:6: smp_call_function_many() calls work() (line 2), which does something" in said


# ---- the compiler ----


def test_a_compiler_that_is_not_there_is_named(refused, write):
    said = refused(*CHECK, write(GOOD), CC="no-such-cc")
    assert said == "minikvm: error: the C compiler no-such-cc ($CC) is not there; expected a command such as gcc\n"


def test_without_a_compiler_it_is_said_what_to_install(refused, write, tmp_path):
    said = refused(*CHECK, write(GOOD), PATH=str(tmp_path), CC="")
    assert "no C compiler is there (cc, gcc, clang)" in said and "install gcc" in said


def test_a_compiler_that_is_none_is_told(refused, write):
    assert "false --version failed" in refused(*CHECK, write(GOOD), CC="false")


# ---- whose file it is ----


def test_a_c_file_beside_the_configuration_is_taken(call, write, config):
    write(GOOD, "folder/deep/my.c")
    assert call("validate", config("deep/my.c", "folder"))[0] == 0


def test_a_link_beside_the_configuration_is_beside_it(call, write, config, tmp_path):
    write(GOOD, "elsewhere/my.c")
    name = config("link.c", "folder")
    (tmp_path / "folder/link.c").symlink_to("../elsewhere/my.c")
    assert call("validate", name)[0] == 0


@pytest.mark.parametrize("path", ["../my.c", "deep/../../my.c"])
def test_a_c_file_elsewhere_is_refused(refused, write, config, tmp_path, path):
    write(GOOD, "my.c")
    name = config(path, "folder")
    (tmp_path / "folder/deep").mkdir()
    said = refused("run", name)
    assert f'folder/f.yaml:3:15: strategy.c: got "{path}", expected a C file beside this file (compiling a file is running it)' in said


def test_a_c_file_elsewhere_is_taken_with_allow_c(call, write, config):
    write((FORMS / "upstream.c").read_bytes(), "my.c")
    code, out, err = call("run", config("../my.c", "folder"), "--allow-c")
    assert code == 0, out + err


# ---- the cache ----


def test_concurrent_first_uses_of_an_empty_cache_all_succeed(start, write, tmp_path):
    name = write((FORMS / "upstream.c").read_bytes())
    processes = [start(*CHECK, name, XDG_CACHE_HOME=str(tmp_path / "fresh")) for _ in range(8)]
    done = [(process.communicate(timeout=300), process.returncode) for process in processes]
    assert [code for _, code in done] == [0] * 8, done
    cache = tmp_path / "fresh/minikvm/c"
    assert len([entry for entry in cache.iterdir()]) == 2, "the cache holds more than the one library and the folder of the runtimes"
    assert len([entry for entry in (cache / "runtime").iterdir()]) == 1, "the cache holds more than the one runtime"


def test_a_second_use_compiles_nothing(call, write, tmp_path):
    name = write((FORMS / "upstream.c").read_bytes())
    cache = tmp_path / "fresh"
    assert call(*CHECK, name, XDG_CACHE_HOME=str(cache))[0] == 0
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    assert call(*CHECK, name, XDG_CACHE_HOME=str(cache))[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in cache.rglob("*")}


def test_what_is_linked_to_every_file_is_compiled_for_the_first_one_only(call, write, tmp_path):
    cache = tmp_path / "fresh"
    times = []
    for form in ("upstream", "linear"):
        assert call(*CHECK, write((FORMS / f"{form}.c").read_bytes(), f"{form}.c"), XDG_CACHE_HOME=str(cache))[0] == 0
        times.append({path: path.stat().st_mtime_ns for path in (cache / "minikvm/c/runtime").rglob("*")})
    assert times[0] and times[0] == times[1]
    assert len(list((cache / "minikvm/c").glob("*/library.so"))) == 2


def test_another_compiler_gets_a_runtime_of_its_own(call, write, tmp_path):
    (tmp_path / "other-cc").write_text('#!/bin/sh\n[ "$1" = --version ] && echo other 1.0 && exit\nexec cc "$@"\n')
    (tmp_path / "other-cc").chmod(0o755)
    name = write((FORMS / "upstream.c").read_bytes())
    for compiler in ("", str(tmp_path / "other-cc")):
        assert call(*CHECK, name, XDG_CACHE_HOME=str(tmp_path / "fresh"), CC=compiler)[0] == 0
    assert len(list((tmp_path / "fresh/minikvm/c/runtime").iterdir())) == 2


def test_a_change_is_compiled_again(call, write):
    assert call(*CHECK, write((FORMS / "upstream.c").read_bytes()))[0] == 0
    assert call(*CHECK, write((FORMS / "v1-bitmap.c").read_bytes()))[0] == 1


@pytest.mark.parametrize("cache", ["file/below", "/proc"])
def test_a_cache_that_cannot_be_written_is_done_without(call, write, tmp_path, cache):
    (tmp_path / "file").write_text("")
    code, out, err = call(*CHECK, write((FORMS / "upstream.c").read_bytes()), XDG_CACHE_HOME=str(tmp_path / cache))
    assert code == 0, out + err


def test_a_path_with_spaces_and_other_letters(call, write):
    name = write((FORMS / "linear.c").read_bytes(), "Größe \u30ab, x/mein Patch.c")
    code, out, err = call(*CHECK, name)
    assert (code, "mein Patch.c" in out) == (0, True), out + err


def test_the_users_home_is_not_needed(call, write, tmp_path):
    environment = {"XDG_CACHE_HOME": "", "HOME": str(tmp_path / "home")}
    assert call(*CHECK, write((FORMS / "upstream.c").read_bytes()), **environment)[0] == 0
    assert os.listdir(tmp_path / "home/.cache/minikvm") == ["c"]


# ---- counterexamples ----


@pytest.fixture
def schedule(call, write, tmp_path):
    """A counterexample to v1-bitmap.c, found in the test's folder and written to its folder out/."""
    name = write((FORMS / "v1-bitmap.c").read_bytes(), "v1.c")
    assert call(*CHECK, name, "--out", "out")[0] == 1
    return tmp_path / "out/counterexample-v1.c-sc-P1.json"


def test_the_counterexample_of_a_c_file_in_another_folder_is_written(call, write, tmp_path):
    name = write((FORMS / "v1-bitmap.c").read_bytes(), "some/folder/x.c")
    code, out, err = call(*CHECK, name)
    assert (code, (tmp_path / "counterexample-x.c-sc-P1.json").is_file()) == (1, True), out + err


def test_two_files_of_the_same_name_get_counterexamples_of_their_own(call, write, tmp_path):
    names = [write((FORMS / "v1-bitmap.c").read_bytes(), f"{folder}/x.c") for folder in ("one", "two")]
    call(*CHECK, ",".join(names))
    assert {path.name for path in tmp_path.glob("*P1.json")} == {f"counterexample-{folder}-x.c-sc-P1.json" for folder in ("one", "two")}


@pytest.mark.parametrize("folder", [".", "out"])
def test_a_counterexample_is_replayed_from_any_folder_that_holds_its_c_file_or_itself(call, schedule, tmp_path, folder):
    if folder == "out":
        shutil.move(tmp_path / "v1.c", tmp_path / "out/v1.c")
        schedule.write_text(schedule.read_text().replace("../v1.c", "v1.c"))
    code, out, err = call("check", "--replay", schedule, cwd=tmp_path / folder)
    assert (code, "P1 is violated again" in out) == (1, True), out + err


def test_a_c_file_outside_of_both_folders_needs_allow_c(refused, call, schedule, tmp_path):
    said = refused("check", "--replay", schedule, cwd=tmp_path / "out")
    assert 'c_files.strategy: got "../v1.c", expected a C file below this file\'s folder or the current one' in said
    assert call("check", "--replay", schedule, "--allow-c", cwd=tmp_path / "out")[0] == 1


def test_a_c_file_that_has_changed_is_said_and_the_nearest_execution_is_shown(call, schedule, write):
    write((FORMS / "upstream.c").read_bytes(), "v1.c")
    code, out, err = call("check", "--replay", schedule)
    flat = " ".join(out.split())
    assert (code, "v1.c has changed since the schedule was written." in flat, "does not violate P1" in flat) == (0, True, True), out + err


def test_a_c_file_that_is_gone_is_said_with_the_way_out(refused, schedule, tmp_path):
    (tmp_path / "v1.c").unlink()
    said = refused("check", "--replay", schedule)
    assert 'got "../v1.c", expected the C file that was checked (it is not there any more) (--strategy FILE.c names another one)' in said


def test_a_counterexample_of_a_configuration_that_names_the_c_file_is_replayed_from_elsewhere(call, write, tmp_path):
    write((FORMS / "v1-bitmap.c").read_bytes(), "deep/v1.c")
    scope = "check: {vcpus: 1, pcpus: 2, entries: 2, calls: 1, faults: 1, models: [sc]}\ninjectors: [stale-cpu]\n"
    (tmp_path / "deep/f.yaml").write_text(CONFIG.replace("PATH", "v1.c") + scope)
    assert call("check", "deep/f.yaml", "--out", "deep")[0] == 1
    code, out, err = call("check", "--replay", "counterexample-v1.c-sc-P1.json", cwd=tmp_path / "deep")
    assert (code, "P1 is violated again" in out) == (1, True), out + err


def test_a_checkpoint_of_another_text_is_refused(call, refused, write):
    options = ["check", "seed-wait", "--model", "sc", "--strategy", write((FORMS / "v1-bitmap.c").read_bytes())]
    assert call(*options, "--budget-executions", "200", "--checkpoint", "far.json")[0] in (1, 4)
    write((FORMS / "upstream.c").read_bytes())
    assert "far.json is a checkpoint of something else" in refused(*options, "--resume", "far.json")
