"""From a thread's C to rows. Dependencies are followed through variables and computed values, as herd7's C semantics has them:
through what is computed from a load, into addresses, stored values, and the arms of an if (not what comes after them)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from pycparser import c_ast

from minikvm.check.parser import Row
from minikvm.litmus.errors import LitmusError, shown
from minikvm.litmus.operations import ALLOWED, LOCKS, MEMORY_ORDERS, OPERATIONS, UNSUPPORTED, Operation
from minikvm.litmus.source import Source
from minikvm.litmus.statement import Initial
from minikvm.litmus.thread import Code, Emitter, Val

CALCS = {"+": "+", "-": "-", "*": "*", "&": "&", "|": "|", "^": "^", "<<": "<<", ">>": ">>", "==": "==", "!=": "!=", "<": "s<",
         "<=": "s<="}
MIRRORED = {">": "<", ">=": "<="}
MAX_NUMBER = 1 << 63
REGISTERS_OF_A_THREAD = 64
"""ROW_REGISTERS of minikvm.check.rows."""
ACCESSES_OF_A_THREAD = 64
"""Dependencies reach back so far (event.addr of minikvm.check.graph)."""


def integer(text: str) -> int | None:
    """The value of a C constant, None if it is no integer's."""
    text = text.rstrip("uUlL")
    try:
        value = int(text, 8) if text.startswith("0") and text.isdigit() else int(text, 0)
    except ValueError:
        return None
    return value if value < MAX_NUMBER else None


CALLED = {"While": "a while loop", "DoWhile": "a do loop", "For": "a for loop", "Return": "return", "TernaryOp": "the operator ?:",
          "StructRef": "a member of a struct", "ArrayRef": "an array's cell", "ExprList": "the operator ,", "Assignment": "an assignment",
          "FuncCall": "a call", "BinaryOp": "a computed value", "UnaryOp": "a computed value", "Constant": "a number", "ID": "a variable"}


def called(node: Any) -> str:
    """A piece of C in words."""
    name = type(node).__name__
    return CALLED.get(name, f"C's {name}")


def _wrapped(value: int) -> int:
    return (value + MAX_NUMBER) % (2 * MAX_NUMBER) - MAX_NUMBER


def _folded(op: str, a: int, b: int) -> int:
    table = {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b, "<<": a << (b & 63), ">>": a >> (b & 63),
             "==": a == b, "!=": a != b, "s<": a < b, "s<=": a <= b}
    return _wrapped(int(table[op]))


class Translator:
    """One thread. shared: names of shared variables that some thread is given, or that the initial state names."""

    def __init__(self, source: Source, thread: int, tree: Any, initial: Initial, shared: set[str]) -> None:
        self.source = source
        self.thread = thread
        self.initial = initial
        self.shared = shared
        self.out = Emitter()
        self.parameters: set[str] = set()
        self.certain: dict[str, frozenset[int]] = {}
        self.declared: set[str] = set()
        self.ifs = 0
        self.tree = tree

    # ---- places and errors ----

    def at(self, node: Any) -> None:
        """What comes next is for this node."""
        if node.coord is not None:
            self.out.place = (node.coord.line, node.coord.column or 1)

    def fail(self, node: Any, what: str, expected: str) -> NoReturn:
        self.at(node)
        raise LitmusError(what, expected, *self.out.place)

    # ---- statements ----

    def run(self) -> Code:
        """The thread's rows. LitmusError."""
        arguments = self.tree.decl.type.args
        for parameter in arguments.params if arguments else ():
            if not isinstance(parameter, c_ast.Decl) or parameter.name is None:
                if isinstance(parameter, c_ast.Typename) and parameter.name is None and len(arguments.params) == 1:
                    continue  # (void)
                self.fail(parameter, "a parameter without a name", "a pointer to a shared variable, as int *x")
            if not isinstance(parameter.type, (c_ast.PtrDecl, c_ast.ArrayDecl)):
                self.fail(parameter, f"{parameter.name}, which is no pointer", f"a pointer to a shared variable: *{parameter.name}")
            self.parameters.add(parameter.name)
        for (thread, name), value in self.initial.registers.items():
            if thread == self.thread:
                self.out.compute("", Val(value), into=name)
                self.out.code.variables.add(name)
        self.statement(self.tree.body)
        if sum(access.kind != "F" for access in self.out.code.accesses) > ACCESSES_OF_A_THREAD:
            self.fail(self.tree, f"P{self.thread} with more than {ACCESSES_OF_A_THREAD} accesses", "fewer: dependencies reach so far")
        registers = {row.reg for row in self.out.code.rows if row.reg is not None}
        if len(registers) > REGISTERS_OF_A_THREAD:
            self.fail(self.tree, f"P{self.thread} with {len(registers)} variables and intermediate values",
                      f"at most {REGISTERS_OF_A_THREAD}")
        return self.out.code

    def statement(self, node: Any) -> None:
        self.at(node)
        mark = self.out.mark()
        if isinstance(node, c_ast.Compound):
            for inner in node.block_items or ():
                self.statement(inner)
        elif isinstance(node, c_ast.Decl):
            self.declaration(node)
        elif isinstance(node, c_ast.DeclList):
            for inner in node.decls:
                self.declaration(inner)
        elif isinstance(node, c_ast.If):
            self.branch(node)
        elif isinstance(node, c_ast.Assignment):
            self.assignment(node)
        elif isinstance(node, c_ast.FuncCall):
            self.call(node, None)
        elif isinstance(node, c_ast.UnaryOp) and node.op in ("p++", "++", "p--", "--"):
            self.assign(node.expr, self.binary(node, node.op[-1], self.value(node.expr), Val(1)))
        elif isinstance(node, (c_ast.Cast, c_ast.BinaryOp, c_ast.UnaryOp, c_ast.ID, c_ast.Constant)):
            self.value(node)
        elif not isinstance(node, c_ast.EmptyStatement):
            self.fail(node, called(node), "assignments, calls and if: nothing else is understood")
        self.out.release(mark)

    def declaration(self, node: Any) -> None:
        self.at(node)
        if not isinstance(node.type, (c_ast.TypeDecl, c_ast.PtrDecl)):
            self.fail(node, f"a declaration of {node.name or 'nothing'}", "variables that are numbers or pointers")
        if node.name in self.parameters:
            self.fail(node, f"a variable {node.name} beside the parameter of that name", "another name")
        self.declared.add(node.name)
        if node.init is not None:
            self.assign(c_ast.ID(node.name, node.coord), node.init)

    def assignment(self, node: Any) -> None:
        if node.op == "=":
            self.assign(node.lvalue, node.rvalue)
        else:
            self.assign(node.lvalue, self.binary(node, node.op[:-1], self.value(node.lvalue), self.value(node.rvalue)))

    def assign(self, target: Any, value: Any) -> None:
        """value: a node or a Val."""
        if not isinstance(target, c_ast.ID):
            where = self.lvalue(target)
            data = value if isinstance(value, Val) else self.value(value)
            self.at(target)
            self.out.access("W", Row("W", a=data.of, order="plain"), where, data)
            return
        name = target.name
        if name in self.parameters:
            self.fail(target, f"an assignment to the parameter {name}", f"a local variable, or *{name}")
        if name not in self.declared and name in self.shared:
            self.fail(target, f"{name}, which is shared but no parameter of P{self.thread}", f"int *{name} as a parameter, and *{name}")
        got = value if isinstance(value, Val) else self.value(value, into=name)
        if got.of != name:
            got = self.out.compute("", got, into=name)
        self.out.code.variables.add(name)
        self.certain[name] = got.certain

    def branch(self, node: Any) -> None:
        out = self.out
        condition = self.value(node.cond)
        self.at(node)
        condition = out.compute("", condition)  # in a register of its own: the arms may change what it was made of
        mark = out.mark()
        otherwise, end = out.label(), out.label()
        self.ifs += 1
        number, before = self.ifs, dict(self.certain)
        after: list[dict[str, frozenset[int]]] = []
        out.row(Row("IF", a=condition.of, b=0, cond="==", label=otherwise))
        out.conditions.append(condition)
        outer = out.branch
        for arm, body in enumerate((node.iftrue, node.iffalse)):
            self.certain = dict(before)
            out.branch = (*outer, (number, arm))
            if arm:
                out.row(Row("LABEL", label=otherwise))
            if body is not None:
                self.statement(body)
                if not arm and node.iffalse is not None:
                    out.row(Row("GOTO", label=end))
            after.append(self.certain)
        out.branch = outer
        out.conditions.pop()
        if node.iffalse is not None:
            out.row(Row("LABEL", label=end))
        names = after[0].keys() | after[1].keys()
        self.certain = {name: after[0].get(name, frozenset()) & after[1].get(name, frozenset()) for name in names}
        out.release(mark)

    # ---- expressions ----

    def value(self, node: Any, into: str | None = None) -> Val:
        """What an expression gives. into: a variable that may take it at once."""
        self.at(node)
        if isinstance(node, c_ast.Constant):
            number = integer(node.value) if node.type != "string" else None
            if number is None:
                self.fail(node, shown(node.value), "an integer of 64 bits")
            return Val(number)
        if isinstance(node, c_ast.ID):
            return self.variable(node)
        if isinstance(node, c_ast.Cast):
            return self.value(node.expr, into)
        if isinstance(node, c_ast.FuncCall):
            return self.call(node, into, used=True)
        if isinstance(node, c_ast.UnaryOp):
            return self.unary(node, into)
        if isinstance(node, c_ast.ArrayRef):
            return self.out.access("R", Row("R", reg=into or self.out.temporary(), order="plain"), self.lvalue(node))
        if isinstance(node, c_ast.BinaryOp):
            return self.binary(node, node.op, self.value(node.left), self.right(node), into)
        self.fail(node, called(node), "a number, a variable, a call or an operator")

    def right(self, node: Any) -> Val:
        """The right operand; of && and || it is evaluated in any case, so it may do nothing."""
        before = len(self.out.code.accesses)
        value = self.value(node.right)
        if node.op in ("&&", "||") and len(self.out.code.accesses) > before:
            self.fail(node.right, f"an access to memory at the right of {node.op}", "an if around it, or a variable")
        return value

    def variable(self, node: Any) -> Val:
        name = node.name
        if name in self.parameters:
            return Val(f"&{name}[0]" if name in self.initial.arrays else f"&{name}")
        if name == "NULL":
            return Val(0)
        if name in ("true", "false"):
            return Val(int(name == "true"))
        if name not in self.out.code.variables:
            if name not in self.declared:
                hint = f"int *{name} among the parameters" if name in self.shared else "a parameter or a local variable"
                self.fail(node, f"{name}, which P{self.thread} does not know", hint)
            self.out.compute("", Val(0), into=name)  # never assigned before in the text: 0, as herd7 has it
            self.out.code.variables.add(name)
        return Val(name, frozenset((name,)), self.certain.get(name, frozenset()))

    def unary(self, node: Any, into: str | None) -> Val:
        if node.op == "*":
            where = self.lvalue(node)
            self.at(node)
            return self.out.access("R", Row("R", reg=into or self.out.temporary(), order="plain"), where)
        if node.op == "&":
            return self.lvalue(node.expr)
        if node.op not in ("-", "+", "~", "!"):
            self.fail(node, f"the operator {node.op.lstrip('p')} in an expression", "one of - + ~ ! * &")
        inner = self.value(node.expr)
        if node.op == "+":
            return inner
        op, left, right = {"-": ("-", Val(0), inner), "~": ("^", inner, Val(-1)), "!": ("==", inner, Val(0))}[node.op]
        return self.binary(node, op, left, right, into)

    def binary(self, node: Any, op: str, left: Val, right: Val, into: str | None = None) -> Val:
        if op in MIRRORED:
            op, left, right = MIRRORED[op], right, left
        if op in ("&&", "||"):
            left, right = self.binary(node, "!=", left, Val(0)), self.binary(node, "!=", right, Val(0))
            op = op[0]
        if op not in CALCS:
            self.fail(node, f"the operator {op}", f"one of {' '.join([*CALCS, *MIRRORED])} && ||")
        if isinstance(left.of, int) and isinstance(right.of, int):
            return Val(_folded(CALCS[op], left.of, right.of))
        self.at(node)
        return self.out.compute(CALCS[op], left, right, into)

    def lvalue(self, node: Any) -> Val:
        """Where an expression with a place is: a pointer's value."""
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            return self.value(node.expr)
        if isinstance(node, c_ast.ArrayRef):
            return self.cell(node)
        if isinstance(node, c_ast.Cast):
            return self.lvalue(node.expr)
        if isinstance(node, c_ast.ID):
            self.fail(node, f"{node.name}, which is no shared variable", f"*{node.name}")
        self.fail(node, f"{called(node)}, which is no shared variable", "a pointer with a * before it")

    def cell(self, node: Any) -> Val:
        index = self.value(node.subscript)
        name = node.name.name if isinstance(node.name, c_ast.ID) else ""
        size = self.initial.arrays.get(name, 0)
        if name not in self.parameters or not size:
            self.fail(node, f"{name or 'an expression'} with an index", "an array: a parameter, and in the initial state as int x[2]")
        if not isinstance(index.of, int) or not 0 <= index.of < size:
            self.fail(node.subscript, "an index that is no constant of the array", f"a number from 0 to {size - 1}")
        return Val(f"&{name}[{index.of}]")

    # ---- calls ----

    def call(self, node: Any, into: str | None, used: bool = False) -> Val:
        name = node.name.name if isinstance(node.name, c_ast.ID) else ""
        if name in UNSUPPORTED:
            self.fail(node, f"{name}: {UNSUPPORTED[name]} are not supported" if name in UNSUPPORTED and UNSUPPORTED[name] != "SRCU"
                      else f"{name}: SRCU is not supported", "a test without")
        operation = OPERATIONS.get(name)
        if operation is None:
            import difflib

            near = difflib.get_close_matches(name, OPERATIONS, 2, 0.75)
            self.fail(node, f"the function {shown(name) or '?'}", f"{' or '.join(near)}" if near else "one of linux-kernel.def")
        if used and not operation.result:
            self.fail(node, f"{name}(), which gives nothing, as a value", "a function with a value")
        given = list(node.args.exprs) if node.args else []
        if len(given) != len(operation.arguments):
            n = len(operation.arguments)
            self.fail(node, f"{len(given)} argument{'s' * (len(given) != 1)} for {name}()", str(n))
        return self.operate(node, name, operation, given, into)

    def operate(self, node: Any, name: str, operation: Operation, given: list[Any], into: str | None) -> Val:
        out = self.out
        if operation.what == "nothing":
            return Val(0)
        if "order" in operation.arguments:
            operation = replace(operation, order=self.memory_order(operation, given.pop()), arguments=operation.arguments[:-1])
        if operation.what == "fence":
            out.fence(operation.order)
            return Val(0)
        arguments: dict[str, Val] = {}
        where = Val(0)
        for what, argument in zip(operation.arguments, given, strict=True):
            if what == "lvalue":
                where = self.lvalue(argument)
            elif what == "pointer":
                where = self.value(argument)
            else:
                arguments[what] = self.value(argument)
        operand, data = self.operand(node, operation, arguments)
        self.at(node)
        fresh = operation.result == "old" and into
        reg = into if fresh and into else out.temporary() if operation.result else None
        kind = {"load": "R", "store": "W", "unlock": "W", "rmw": "RMW", "lock": "RMW"}[operation.what]
        row = Row(operation.op or kind, reg=reg, a=operand.of, b=arguments.get("expected", Val(0)).of, order=operation.order)
        got = out.access(kind, row, where, data, fails=operation.conditional, lock=name in LOCKS)
        if operation.after:
            out.fence(operation.after)
        return self.result(node, operation, got, operand, arguments, into)

    def memory_order(self, operation: Operation, node: Any) -> str:
        """The order that an argument names."""
        order = MEMORY_ORDERS.get(node.name) if isinstance(node, c_ast.ID) else None
        allowed = ALLOWED.get(operation.what, tuple(MEMORY_ORDERS.values()))
        if order not in allowed:
            names = [name for name, known in MEMORY_ORDERS.items() if known in allowed]
            self.fail(node, node.name if isinstance(node, c_ast.ID) else called(node), f"one of {', '.join(names)}")
        return order

    def operand(self, node: Any, operation: Operation, arguments: dict[str, Val]) -> tuple[Val, Val | None]:
        """What is stored or added; and what the access depends on by data."""
        if operation.what in ("load", "lock", "unlock") or operation.op == "TRYLOCK":
            return Val(0), None
        operand = arguments.get("value", Val(operation.operand))
        if "bit" in arguments:
            operand = self.binary(node, "<<", Val(1), arguments["bit"])
        if operation.negated:
            operand = self.binary(node, "^", operand, Val(-1)) if operation.op == "AND" else self.binary(node, "-", Val(0), operand)
        expected = arguments.get("expected")
        if expected is None:
            return operand, operand
        return operand, Val(0, operand.deps | expected.deps, operand.certain | expected.certain)

    def result(self, node: Any, operation: Operation, got: Val, operand: Val, arguments: dict[str, Val], into: str | None) -> Val:
        """What the call gives, from the old value."""
        if operation.result in ("old", ""):
            return got
        if operation.result == "bit":
            mask = self.binary(node, "<<", Val(1), arguments["bit"])
            return self.binary(node, "!=", self.binary(node, "&", got, mask), Val(0), into)
        if operation.result == "went":
            if operation.op == "TRYLOCK":
                return self.binary(node, "==", got, Val(0), into)
            return self.binary(node, "!=", got, arguments.get("expected", Val(0)), into)
        if operation.result == "new":
            return self.binary(node, "+", got, operand, into)
        new = self.binary(node, "+", got, operand)
        return self.binary(node, "==" if operation.result == "zero" else "<", new, Val(0), into)


__all__ = ["Translator"]
