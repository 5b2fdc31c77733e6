"""Rules about functions and procedures: definitions, replacements and calls that PostgreSQL rejects."""

from typing import Any

from pglast import ast

from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.name_rules import missing_name
from app.lint.nodes import qualified_name
from app.lint.objects import OUTPUTS, Routine, routine_of, takes
from app.lint.parser import Statement
from app.lint.routines import statements_of
from app.lint.state import MigrationState

STRINGS = {"text", "varchar", "bpchar", "name"}  # PostgreSQL prefers them for a literal


def routine_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateFunctionStmt():
            new = routine_of(node, state.file)
            if name := _without_default(node):
                yield rejected(line, f"{name} needs a DEFAULT, because a parameter before it has one")
            yield from _replaced(state, line, node, new)
            if node.sql_body is not None or new.language == "sql":
                for each in statements_of(new):
                    if each.node is not None and (why := missing_name(state.catalog, each.node, {*_names(node)})):
                        yield rejected(line, why)
        case ast.CallStmt(funccall=ast.FuncCall() as call):
            routine = state.catalog.routines.get(qualified_name(call.funcname))
            if routine and not routine.is_procedure:
                yield rejected(line, f"{qualified_name(call.funcname)} is a function: use SELECT")
        case _:
            pass


def _names(node: Any) -> list[str]:
    """Return the names of the parameters, and the name of the function, which may come before them."""
    return [qualified_name(node.funcname), *(each.name for each in node.parameters or () if each.name)]


def _without_default(node: Any) -> str:
    """Return the first input parameter that lacks a DEFAULT after one that has it, or ""."""
    has_default = False
    for each in node.parameters or ():
        if each.mode in OUTPUTS:
            continue
        if has_default and each.defexpr is None:
            return each.name or "a parameter"
        has_default = has_default or each.defexpr is not None
    return ""


def _replaced(state: MigrationState, line: int, node: Any, new: Routine) -> Faults:
    name = qualified_name(node.funcname)
    others = [each for key, each in state.catalog.routines.items() if key == name or key.startswith(f"{name}(")]
    same = next((each for each in others if each.arguments == new.arguments), None)
    for each in others:
        if each is not same:
            yield from _overload(state, line, name, each, new)
    if same is None:
        return
    hint = "drop the function first, in the same file, and grant its rights again"
    if not node.replace:
        why = f"there is a function {name} with these parameters already"
        yield rejected(line, why)._replace(hint="write CREATE OR REPLACE FUNCTION, or choose another name")
    elif same.is_procedure != new.is_procedure:
        yield rejected(line, f"{name} is a {'procedure' if same.is_procedure else 'function'}")._replace(hint=hint)
    elif same.returns != new.returns:
        why = f"the type of its result cannot change from {same.returns or 'a table'} to {new.returns or 'a table'}"
        yield rejected(line, why)._replace(hint=hint)
    elif renamed := [(a, b) for a, b in zip(same.names, new.names, strict=True) if a and a != b]:
        yield rejected(line, f"the parameter {renamed[0][0]} cannot change its name")._replace(hint=hint)


def _overload(state: MigrationState, line: int, name: str, known: Routine, new: Routine) -> Faults:
    """Yield the fault of a second function that fits the calls of the first one, too.

    The types of parameters with a DEFAULT count only if a call gives them. PostgreSQL does not prefer a function that
    needs no DEFAULT.
    """
    if state.before is not None or known.created_by == state.file:
        return
    for use in state.bodies(texts_only=True):
        for called, untyped in use.untyped:
            count = len(untyped)
            if called != name or not all(takes(each, count) for each in (known, new)):
                continue
            pairs = enumerate(zip(known.arguments[:count], new.arguments[:count], strict=True))
            differing = [i for i, (one, other) in pairs if one != other]
            if not all(untyped[each] for each in differing):
                continue
            if differing and all(known.arguments[each] in STRINGS for each in differing):
                continue
            cause = ", which gives no type for a parameter" if differing else ""
            why = f"two functions fit the call of {use.name}{cause}"
            yield Fault(line, "ambiguous-name", why, "choose another name")
            return
