"""``minikvm litmus``: several files, exit codes, what goes where."""

import json

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

TEXT = """C {name}
(* {comment} *)
{{ }}
P0(int *x) {{ WRITE_ONCE(*x, 1); {code} }}
P1(int *x) {{ int r0 = READ_ONCE(*x); }}
{condition}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a test into the current folder; its name."""
    monkeypatch.chdir(tmp_path)

    def file(name="t", comment="", code="", condition="exists (1:r0=1)"):
        (tmp_path / f"{name}.litmus").write_text(TEXT.format(name=name, comment=comment, code=code, condition=condition))
        return f"{name}.litmus"

    return file


@pytest.fixture
def litmus():
    """Run the command in this process."""
    return lambda *arguments: CliRunner().invoke(cli, ["litmus", *arguments], prog_name="minikvm")


@pytest.mark.parametrize(("comment", "condition", "code"), [
    ("", "exists (1:r0=1)", 0),
    ("", "exists (1:r0=7)", 0),
    ("Result: Sometimes", "exists (1:r0=1)", 0),
    ("Result: Never", "exists (1:r0=1)", 1),
    ("Result: Always", "exists (1:r0=1)", 1),
    ("Result: Sometimes DATARACE", "exists (1:r0=1)", 1),
    ("Result: Sometimes", "~exists (1:r0=1)", 0),
    ("", "~exists (1:r0=1)", 1),
    ("", "~exists (1:r0=7)", 0),
    ("", "forall (1:r0=1)", 1),
    ("", "forall (x=1)", 0),
])
def test_the_exit_code_says_if_the_file_is_right_about_itself(comment, condition, code, file, litmus):
    assert litmus(file(comment=comment, condition=condition)).exit_code == code


def test_what_a_comment_expects_is_about_the_kernels_model_only(file, litmus):
    name = file(comment="Result: Never")
    assert [litmus(name, "--model", model).exit_code for model in ("lkmm", "sc", "tso", "rc11")] == [1, 0, 0, 0]


def test_a_bad_file_does_not_stop_the_others_and_is_told_at_the_end(file, litmus):
    done = litmus(file("a"), file("b", code="synchronize_rcu();"), "missing.litmus", file("c"))
    assert done.exit_code == 2
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Test ")] == ["a", "c"]
    assert done.stderr.splitlines() == [
        "b.litmus:4:33: synchronize_rcu: RCU grace periods are not supported, expected a test without",
        "missing.litmus: No such file or directory, expected a file that can be read",
    ]


def test_what_is_not_as_expected_is_told_at_the_end(file, litmus):
    done = litmus(file("a", comment="Result: Never"), file("b", comment="Result: Sometimes"))
    assert done.stderr == "a.litmus: Never is expected: CONTRADICTED, it is Sometimes\n"


def test_a_contradiction_is_graver_than_a_bad_file(file, litmus):
    assert litmus(file("a", condition="~exists (1:r0=1)"), file("b", code="synchronize_rcu();")).exit_code == 1


@pytest.mark.parametrize("options", [["--budget-executions", "1"], ["--budget-seconds", "1e-9"]])
def test_a_budget_that_ends_first_is_no_answer(options, file, litmus):
    done = litmus(file(condition="exists (1:r0=7)"), *options)
    assert done.exit_code == 4
    assert "Observation t Unknown" in done.stdout and "the budget ended, there are more" in done.stdout


def test_jobs_change_nothing_but_the_time(file, litmus):
    names = [file(f"t{n}", condition=f"exists (1:r0={n})") for n in range(9)]
    alone, together = litmus(*names), litmus(*names, "--jobs", "3")
    assert alone.exit_code == together.exit_code == 0
    assert [line for line in alone.stdout.splitlines() if "Time" not in line] == [
        line for line in together.stdout.splitlines() if "Time" not in line]


def test_json_says_the_same(file, litmus):
    done = litmus(file("a", comment="Result: Sometimes"), file("b", code="srcu_read_lock(x);"), "--json")
    said = json.loads(done.stdout)
    test, problem = said["tests"][0], said["errors"][0]
    assert (said["schema"], said["model"], said["exit_code"], done.exit_code) == ("minikvm.litmus/1", "lkmm", 2, 2)
    assert (test["observation"], test["positive"], test["negative"], test["agreement"]) == ("Sometimes", 1, 1, "agrees")
    assert [state["values"] for state in test["states"]] == [{"1:r0": 0}, {"1:r0": 1}]
    assert (problem["file"], problem["line"], problem["column"]) == ("b.litmus", 4, 33)


def test_verbose_counts_the_executions_of_each_state(file, litmus):
    assert "1     :>1:r0=0;\n1     *>1:r0=1;\n" in litmus(file(), "-v").stdout


def test_a_deadlock_is_told(file, litmus):
    name = file(comment="Result: DEADLOCK")
    with open(name, "w") as out:
        out.write("C d\n(* Result: DEADLOCK *)\n{ }\nP0(spinlock_t *s) { spin_lock(s); spin_lock(s); }\nexists (true)\n")
    done = litmus(name)
    assert done.exit_code == 0 and "1 more end in a deadlock" in done.stdout and "Expected DEADLOCK: agrees" in done.stdout
