"""Expressions become Python functions of a row, once per run, so that a row costs only calls."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.functions import FUNCTIONS
from mystira.cosmos_emulator.sql.functions.signature import checked
from mystira.cosmos_emulator.sql.operators import BINARY, UNARY, like_pattern
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.scope import Evaluate, Row, Scope
from mystira.cosmos_emulator.sql.syntax import Expression
from mystira.cosmos_emulator.sql.values import ARRAY, NUMBERS, OBJECT, UNDEFINED, equal, identity

NOT_CONSTANT = object()


def compiled(expression: Expression, scope: Scope) -> Evaluate:
    """The function that gives the expression's value for a row."""
    if scope.computed and (slot := scope.computed.get(expression)) is not None:
        return lambda row: row[slot]
    value = constant(expression, scope)
    if value is not NOT_CONSTANT:
        return lambda row: value
    return _COMPILERS[type(expression)](expression, scope)


def constant(expression: Expression, scope: Scope) -> Any:
    """The value that is the same for every row, or NOT_CONSTANT."""
    match expression:
        case syntax.Literal():
            return expression.value
        case syntax.UndefinedLiteral():
            return UNDEFINED
        case syntax.Parameter():
            return scope.run.parameter(expression)
        case syntax.ArrayLiteral():
            items = [constant(item, scope) for item in expression.items]
            if any(item is NOT_CONSTANT for item in items):
                return NOT_CONSTANT
            return [item for item in items if item is not UNDEFINED]
        case _:
            return NOT_CONSTANT


def _name(expression: syntax.Name | syntax.Container, scope: Scope) -> Evaluate:
    slot = scope.slots.get(expression.name)
    if slot is None:
        run = scope.run
        raise SqlError(f"{expression.name} is not known here. Only inputs before this one are.", run.query.text)
    return lambda row: row[slot]


def _member(expression: syntax.Member, scope: Scope) -> Evaluate:
    name = expression.name
    if isinstance(expression.source, syntax.Name) and expression.source not in scope.computed:
        return _property_of(scope.slots.get(expression.source.name), name, expression.source, scope)
    source = compiled(expression.source, scope)

    def evaluate(row: Row) -> Any:
        value: Any = source(row)
        return value.get(name, UNDEFINED) if type(value) is OBJECT else UNDEFINED

    return evaluate


def _property_of(slot: int | None, name: str, source: syntax.Name, scope: Scope) -> Evaluate:
    """The commonest expression of all, c.name, without a call for c."""
    if slot is None:
        return _name(source, scope)

    def evaluate(row: Row) -> Any:
        value: Any = row[slot]
        return value.get(name, UNDEFINED) if type(value) is OBJECT else UNDEFINED

    return evaluate


def _index(expression: syntax.Index, scope: Scope) -> Evaluate:
    source, index = compiled(expression.source, scope), compiled(expression.index, scope)

    def evaluate(row: Row) -> Any:
        value, place = source(row), index(row)
        if type(value) is ARRAY and type(place) in NUMBERS and place == int(place):
            return value[int(place)] if 0 <= place < len(value) else UNDEFINED
        if type(value) is OBJECT and type(place) is str:
            return value.get(place, UNDEFINED)
        return UNDEFINED

    return evaluate


def _unary(expression: syntax.Unary, scope: Scope) -> Evaluate:
    operand, operation = compiled(expression.operand, scope), UNARY[expression.operator]
    return lambda row: operation(operand(row))


def _binary(expression: syntax.Binary, scope: Scope) -> Evaluate:
    left, right = compiled(expression.left, scope), compiled(expression.right, scope)
    if expression.operator == "??":
        return lambda row: right(row) if (value := left(row)) is UNDEFINED else value
    operation = BINARY[expression.operator]
    wanted = constant(expression.right, scope)
    if expression.operator == "=" and type(wanted) is str:
        return _equals_text(left, wanted)
    return lambda row: operation(left(row), right(row))


def _equals_text(left: Evaluate, wanted: str) -> Evaluate:
    def evaluate(row: Row) -> Any:
        value = left(row)
        return UNDEFINED if value is UNDEFINED else value == wanted

    return evaluate


def _logical(expression: syntax.Logical, scope: Scope) -> Evaluate:
    operands = [compiled(operand, scope) for operand in expression.operands]
    decisive = expression.operator == "OR"

    def evaluate(row: Row) -> Any:
        result: Any = not decisive
        for operand in operands:
            value = operand(row)
            if value is decisive:
                return decisive
            if type(value) is not bool:
                result = UNDEFINED
        return result

    return evaluate


def _conditional(expression: syntax.Conditional, scope: Scope) -> Evaluate:
    test, then, otherwise = (compiled(part, scope) for part in (expression.test, expression.then, expression.otherwise))
    return lambda row: then(row) if test(row) is True else otherwise(row)


def _between(expression: syntax.Between, scope: Scope) -> Evaluate:
    value, low, high = expression.value, expression.low, expression.high
    at_least, at_most = syntax.Binary(">=", value, low), syntax.Binary("<=", value, high)
    return compiled(syntax.Logical("AND", (at_least, at_most)), scope)


def _in(expression: syntax.In, scope: Scope) -> Evaluate:
    value = compiled(expression.value, scope)
    wanted = constant(syntax.ArrayLiteral(expression.items), scope)
    if wanted is not NOT_CONSTANT:
        return _among(value, wanted)
    items = [compiled(item, scope) for item in expression.items]

    def evaluate(row: Row) -> Any:
        found = value(row)
        if found is UNDEFINED:
            return UNDEFINED
        return any(item is not UNDEFINED and equal(found, item) for item in (item(row) for item in items))

    return evaluate


def _among(value: Evaluate, wanted: list[Any]) -> Evaluate:
    """Membership in a list that never changes: a set, however long it is."""
    identities = {identity(item) for item in wanted}

    def evaluate(row: Row) -> Any:
        found = value(row)
        return UNDEFINED if found is UNDEFINED else identity(found) in identities

    return evaluate


def _like(expression: syntax.Like, scope: Scope) -> Evaluate:
    value, pattern = compiled(expression.value, scope), compiled(expression.pattern, scope)
    escape = compiled(expression.escape or syntax.Literal(""), scope)

    def evaluate(row: Row) -> Any:
        text, wanted, escaping = value(row), pattern(row), escape(row)
        if type(text) is not str or type(wanted) is not str or type(escaping) is not str:
            return UNDEFINED
        expected = like_pattern(wanted, escaping)
        return expected.fullmatch(text) is not None if expected else UNDEFINED

    return evaluate


def _call(expression: syntax.Call, scope: Scope) -> Evaluate:
    function = FUNCTIONS[expression.function.lower()]
    arguments = [compiled(argument, scope) for argument in expression.arguments]
    if function.clocked:
        run = scope.run
        return lambda row: function.call(run)
    if function.name == "ARRAY_CONTAINS" and len(arguments) == 2:
        wanted = constant(expression.arguments[0], scope)
        if type(wanted) is ARRAY:
            return _among(arguments[1], wanted)
    call = checked(function.call, function.kinds(len(arguments)))
    match arguments:
        case [only]:
            return lambda row: call(only(row))
        case [first, second]:
            return lambda row: call(first(row), second(row))
        case _:
            return lambda row: call(*[argument(row) for argument in arguments])


def _array(expression: syntax.ArrayLiteral, scope: Scope) -> Evaluate:
    items = [compiled(item, scope) for item in expression.items]
    return lambda row: [value for item in items if (value := item(row)) is not UNDEFINED]


def _object(expression: syntax.ObjectLiteral, scope: Scope) -> Evaluate:
    return object_of([(name, compiled(value, scope)) for name, value in expression.entries])


def object_of(entries: list[tuple[str, Evaluate]]) -> Evaluate:
    """The function that puts an object together; what is undefined is left out."""

    def evaluate(row: Row) -> Any:
        found: dict[str, Any] = {}
        for name, value in entries:
            item = value(row)
            if item is not UNDEFINED:
                found[name] = item
        return found

    return evaluate


def _subquery(expression: syntax.Subquery, scope: Scope) -> Evaluate:
    # The two modules need each other: a query is made of expressions, and an expression may be a query.
    from mystira.cosmos_emulator.sql.execution import compiled_select

    select = compiled_select(expression.select, scope)
    if expression.kind == "ARRAY":
        return lambda row: list(select(row))
    if expression.kind == "EXISTS":
        return lambda row: next(iter(select(row)), UNDEFINED) is not UNDEFINED

    def evaluate(row: Row) -> Any:
        found = list(islice(select(row), 2))
        if len(found) > 1:
            raise SqlError("A query that stands for one value gave several. Use ARRAY(...).", scope.run.query.text)
        return found[0] if found else UNDEFINED

    return evaluate


def _aggregate(expression: syntax.Aggregate, scope: Scope) -> Evaluate:
    raise SqlError(f"{expression.function} cannot stand here.", scope.run.query.text)


_COMPILERS: dict[type, Callable[[Any, Scope], Evaluate]] = {
    syntax.Aggregate: _aggregate,
    syntax.ArrayLiteral: _array,
    syntax.Between: _between,
    syntax.Binary: _binary,
    syntax.Call: _call,
    syntax.Conditional: _conditional,
    syntax.Container: _name,
    syntax.In: _in,
    syntax.Index: _index,
    syntax.Like: _like,
    syntax.Logical: _logical,
    syntax.Member: _member,
    syntax.Name: _name,
    syntax.ObjectLiteral: _object,
    syntax.Subquery: _subquery,
    syntax.Unary: _unary,
}
