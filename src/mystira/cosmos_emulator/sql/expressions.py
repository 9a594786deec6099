"""The grammar of expressions: precedence climbing, weakest operator first."""

from collections.abc import Callable

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.functions import AGGREGATES, FUNCTIONS
from mystira.cosmos_emulator.sql.reader import Reader
from mystira.cosmos_emulator.sql.syntax import Expression

CONDITIONAL, COALESCE, OR, AND, NOT, COMPARISON = 1, 2, 3, 4, 5, 6
BINARY_STRENGTHS = {
    **dict.fromkeys(("=", "!=", "<>", "<", ">", "<=", ">="), COMPARISON),
    "|": 7,
    "^": 8,
    "&": 9,
    **dict.fromkeys(("<<", ">>", ">>>"), 10),
    **dict.fromkeys(("+", "-", "||"), 11),
    **dict.fromkeys(("*", "/", "%"), 12),
}
STRENGTHS = {
    "?": CONDITIONAL,
    "??": COALESCE,
    "OR": OR,
    "AND": AND,
    **dict.fromkeys(("IN", "BETWEEN", "LIKE", "NOT"), COMPARISON),
    **BINARY_STRENGTHS,
}
UNARY = 13
LITERAL_KEYWORDS = {"TRUE": True, "FALSE": False, "NULL": None}


def expression(reader: Reader, weakest: int = CONDITIONAL) -> Expression:
    """Read an expression whose operators bind at least as strongly as `weakest`."""
    with reader.deeper():
        left = _operand(reader)
        while (strength := _strength(reader)) >= weakest:
            left = _continued(reader, left, strength)
        return left


def expressions(reader: Reader) -> tuple[Expression, ...]:
    """Read one or more expressions between commas."""
    found = [expression(reader)]
    while reader.takes(","):
        found.append(expression(reader))
    return tuple(found)


def _strength(reader: Reader) -> int:
    token = reader.token
    return STRENGTHS.get(token.text, 0) if token.kind in ("keyword", "symbol") else 0


def _continued(reader: Reader, left: Expression, strength: int) -> Expression:
    token = reader.take()
    match token.text:
        case "?":
            return _conditional(reader, left)
        case "AND" | "OR":
            return logical(token.text, left, expression(reader, strength + 1))
        case "NOT":
            if not reader.sees("IN", "BETWEEN", "LIKE"):
                reader.refuse("Expected IN, BETWEEN or LIKE after NOT")
            return syntax.Unary("NOT", _membership(reader, left, reader.take().text))
        case "IN" | "BETWEEN" | "LIKE":
            return _membership(reader, left, token.text)
        case _:
            operator = "!=" if token.text == "<>" else token.text
            return syntax.Binary(operator, left, expression(reader, strength + 1))


def logical(operator: str, *operands: Expression) -> Expression:
    """Put operands together with AND or OR; what is already such a list is continued."""
    flat: list[Expression] = []
    for operand in operands:
        if isinstance(operand, syntax.Logical) and operand.operator == operator:
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    return syntax.Logical(operator, tuple(flat))


def _conditional(reader: Reader, test: Expression) -> Expression:
    then = expression(reader)
    reader.expect(":", " between the two results of ?")
    return syntax.Conditional(test, then, expression(reader))


def _membership(reader: Reader, value: Expression, operator: str) -> Expression:
    above = COMPARISON + 1
    if operator == "IN":
        reader.expect("(", " after IN")
        items = expressions(reader)
        reader.expect(")", " after the list of IN")
        return syntax.In(value, items)
    first = expression(reader, above)
    if operator == "BETWEEN":
        reader.expect("AND", " between the two ends of BETWEEN")
        return syntax.Between(value, first, expression(reader, above))
    escape = expression(reader, above) if reader.takes("ESCAPE") else None
    return syntax.Like(value, first, escape)


def _operand(reader: Reader) -> Expression:
    token = reader.token
    if token.kind == "keyword" and token.text == "NOT":
        reader.take()
        return syntax.Unary("NOT", expression(reader, NOT))
    if token.kind == "symbol" and token.text in "+-~":
        return _signed(reader)
    return _steps(reader, primary(reader))


def _signed(reader: Reader) -> Expression:
    sign = reader.take().text
    if sign == "-" and reader.token.kind == "number":
        return _steps(reader, syntax.Literal(-reader.take().value))
    return syntax.Unary(sign, expression(reader, UNARY))


def _steps(reader: Reader, source: Expression) -> Expression:
    while reader.sees(".", "["):
        if reader.take().text == ".":
            source = syntax.Member(source, _member_name(reader))
        elif reader.token.kind == "string" and reader.tokens[reader.at + 1].text == "]":
            source = syntax.Member(source, reader.take().value)
            reader.take()
        else:
            source = syntax.Index(source, expression(reader))
            reader.expect("]", " after the index")
    return source


def _member_name(reader: Reader) -> str:
    if reader.token.kind == "keyword":
        reader.fail(f'{reader.token.value} is a keyword. Write ["{reader.token.value}"] instead of the dot.')
    return reader.name("a property name after the dot")


def primary(reader: Reader) -> Expression:
    """Read what stands by itself: a literal, a parameter, a name, a call or something in brackets."""
    token = reader.token
    match token.kind:
        case "number" | "string":
            return syntax.Literal(reader.take().value)
        case "parameter":
            reader.parameters.setdefault(token.text, token.offset)
            return syntax.Parameter(reader.take().text)
        case "name":
            return _call(reader) if reader.tokens[reader.at + 1].text == "(" else _reference(reader)
        case "keyword" if token.text in LITERAL_KEYWORDS:
            return syntax.Literal(LITERAL_KEYWORDS[reader.take().text])
        case _:
            return _BRACKETED.get(token.text, _no_value)(reader)


def _no_value(reader: Reader) -> Expression:
    reader.refuse("Expected a value")


def _reference(reader: Reader) -> Expression:
    token = reader.take()
    reader.use(reader.frame, token.text, token.offset)
    return syntax.Name(token.text)


def _call(reader: Reader) -> Expression:
    token = reader.take()
    reader.take()
    arguments = () if reader.sees(")") else expressions(reader)
    reader.expect(")", f" after the arguments of {token.text}")
    name = token.text.lower()
    if name in AGGREGATES:
        return _aggregate(reader, token.text.upper(), arguments, token.offset)
    if name not in FUNCTIONS:
        reader.fail(f"There is no function {token.text:.60}.", token.offset)
    function = FUNCTIONS[name]
    if not function.takes(len(arguments)):
        reader.fail(f"{function.name} takes {function.arity}, not {len(arguments)}.", token.offset)
    return syntax.Call(function.name, arguments)


def _aggregate(reader: Reader, name: str, arguments: tuple[Expression, ...], offset: int) -> Expression:
    if len(arguments) != 1:
        reader.fail(f"{name} takes 1 argument, not {len(arguments)}.", offset)
    if reader.frame is None or reader.frame.clause != "SELECT":
        reader.fail(f"{name} may stand only after SELECT.", offset)
    if next(syntax.aggregates(arguments[0]), None):
        reader.fail(f"{name} cannot be taken of another aggregate.", offset)
    return syntax.Aggregate(name, arguments[0])


def _parenthesised(reader: Reader) -> Expression:
    reader.expect("(")
    inner = subquery(reader, "") if reader.sees("SELECT") else expression(reader)
    reader.expect(")", " to close the parenthesis")
    return inner


def _array(reader: Reader) -> Expression:
    reader.expect("[")
    items = () if reader.sees("]") else expressions(reader)
    reader.expect("]", " after the items of the array")
    return syntax.ArrayLiteral(items)


def _object(reader: Reader) -> Expression:
    reader.expect("{")
    entries: list[tuple[str, Expression]] = []
    while not reader.sees("}"):
        if entries:
            reader.expect(",", " between the properties of the object")
        name = reader.take().value if reader.token.kind == "string" else reader.name("a property name")
        reader.expect(":", " after the property name")
        entries.append((name, expression(reader)))
    reader.take()
    return syntax.ObjectLiteral(tuple(entries))


def _undefined(reader: Reader) -> Expression:
    reader.take()
    return syntax.UndefinedLiteral()


def _exists_or_array(reader: Reader) -> Expression:
    kind = reader.take().text
    reader.expect("(", f" after {kind}")
    inner = subquery(reader, kind)
    reader.expect(")", f" after the query of {kind}")
    return inner


def subquery(reader: Reader, kind: str) -> Expression:
    """Read a query that stands for a value."""
    return syntax.Subquery(kind, reader.select(reader, False))


def _udf(reader: Reader) -> Expression:
    reader.fail("User-defined functions cannot be run here.")


_BRACKETED: dict[str, Callable[[Reader], Expression]] = {
    "(": _parenthesised,
    "[": _array,
    "{": _object,
    "UNDEFINED": _undefined,
    "EXISTS": _exists_or_array,
    "ARRAY": _exists_or_array,
    "UDF": _udf,
}
