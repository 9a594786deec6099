"""The grammar of queries: SELECT, FROM, JOIN, WHERE, GROUP BY, ORDER BY, OFFSET LIMIT."""

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.expressions import expression, expressions, primary
from mystira.cosmos_emulator.sql.grouping import ungrouped
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.reader import Frame, Reader
from mystira.cosmos_emulator.sql.syntax import Column, Expression, OrderItem, Query, Select, Source

HEIGHT_MAX = 250


def parse(text: str) -> Query:
    """Read a query; one that is malformed is refused with the position of its first error."""
    return _read(Reader(text, select), text)


def parse_condition(text: str) -> Query:
    """Read the condition of a patch or batch operation: FROM c WHERE ..., without SELECT."""

    def condition(reader: Reader, over_container: bool) -> Select:
        reader.select = select
        with reader.deeper(), reader.scope(over_container) as frame:
            return _after_projection(reader, frame, Select(syntax.Value(syntax.Literal(True))))

    return _read(Reader(text, condition), text)


def _read(reader: Reader, text: str) -> Query:
    try:
        found = reader.select(reader, True)
        if reader.token.kind != "end":
            reader.refuse("Expected the end of the query")
        if syntax.height(found) > HEIGHT_MAX:
            raise SqlError("The query chains too many operators. Put long lists into IN or ARRAY_CONTAINS.", text)
    except RecursionError:
        # The limits keep well below Python's own; whoever calls from deep inside a stack of their own may still hit it.
        raise SqlError("The query is nested too deeply.", text) from None
    return Query(found, text, reader.parameters)


def select(reader: Reader, over_container: bool) -> Select:
    """Read a query; `over_container` says that its first input may be the container itself."""
    with reader.deeper(), reader.scope(over_container) as frame:
        reader.expect("SELECT")
        distinct = reader.takes("DISTINCT")
        top = _count(reader) if reader.takes("TOP") else None
        offset = reader.token.offset
        projection = _projection(reader)
        found = _after_projection(reader, frame, Select(projection, distinct, top))
        _refuse_nonsense(reader, found, offset)
        return found


def _after_projection(reader: Reader, frame: Frame, begun: Select) -> Select:
    frame.clause = "FROM"
    sources = _sources(reader, frame)
    frame.clause = "WHERE"
    where = expression(reader) if reader.takes("WHERE") else None
    frame.clause = "GROUP BY"
    group_by = expressions(reader) if _takes_by(reader, "GROUP") else ()
    frame.clause = "ORDER BY"
    order_by = _order_by(reader, frame, sources) if _takes_by(reader, "ORDER") else ()
    offset = limit = None
    if reader.takes("OFFSET"):
        offset = _count(reader)
        reader.expect("LIMIT", " after OFFSET")
        limit = _count(reader)
    return Select(begun.projection, begun.distinct, begun.top, sources, where, group_by, order_by, offset, limit)


def _takes_by(reader: Reader, keyword: str) -> bool:
    if not reader.takes(keyword):
        return False
    reader.expect("BY", f" after {keyword}")
    return True


def _count(reader: Reader) -> Expression:
    token = reader.token
    if token.kind != "parameter" and not (token.kind == "number" and isinstance(token.value, int)):
        reader.refuse("Expected a whole number or a parameter")
    return primary(reader)


def _projection(reader: Reader) -> syntax.Star | syntax.Value | syntax.Columns:
    if reader.takes("*"):
        return syntax.Star()
    if reader.takes("VALUE"):
        return syntax.Value(expression(reader))
    items: list[Column] = []
    unnamed = 0
    while not items or reader.takes(","):
        found = expression(reader)
        name = reader.name("an alias") if reader.takes("AS") or reader.token.kind == "name" else _own_name(found)
        if name is None:
            unnamed += 1
            name = f"${unnamed}"
        items.append(Column(found, name))
    return syntax.Columns(tuple(items))


def _own_name(found: Expression) -> str | None:
    return found.name if isinstance(found, syntax.Name | syntax.Member) else None


def _sources(reader: Reader, frame: Frame) -> tuple[Source, ...]:
    if not reader.takes("FROM"):
        return ()
    found = [_source(reader, frame, frame.over_container)]
    while reader.takes("JOIN"):
        found.append(_source(reader, frame, False))
    return tuple(found)


def _source(reader: Reader, frame: Frame, over_container: bool) -> Source:
    start = reader.token.offset
    alias, iterate = None, False
    if reader.token.kind == "name" and reader.tokens[reader.at + 1].text == "IN":
        alias, iterate = reader.take().text, True
        reader.take()
    origin = _origin(reader, frame, over_container)
    if not iterate and (reader.takes("AS") or reader.token.kind == "name"):
        alias = reader.name("an alias")
    if alias is None:
        alias = origin.name if isinstance(origin, syntax.Container | syntax.Name | syntax.Member) else ""
    if alias and alias in frame.aliases:
        reader.fail(f"{alias} is introduced twice.", start)
    frame.aliases.add(alias)
    return Source(alias, origin, iterate)


def _origin(reader: Reader, frame: Frame, over_container: bool) -> Expression | Select:
    if reader.takes("("):
        found = reader.select(reader, over_container)
        reader.expect(")", " after the query")
        return found
    token = reader.token
    name = reader.name("a container, an alias or a query in parentheses")
    if over_container:
        origin: Expression = syntax.Container(name)
    else:
        # An input sees the inputs before it and the query around it, and not those after it.
        if name not in frame.aliases:
            reader.use(frame.parent, name, token.offset)
        origin = syntax.Name(name)
    return _path(reader, origin)


def _path(reader: Reader, origin: Expression) -> Expression:
    while reader.sees(".", "["):
        if reader.take().text == ".":
            origin = syntax.Member(origin, reader.name("a property name after the dot"))
            continue
        token = reader.take()
        if token.kind == "string":
            origin = syntax.Member(origin, token.value)
        elif token.kind == "number":
            origin = syntax.Index(origin, syntax.Literal(token.value))
        else:
            reader.fail("Expected a number or a property name in quotation marks.", token.offset)
        reader.expect("]", " after the index")
    return origin


def _order_by(reader: Reader, frame: Frame, sources: tuple[Source, ...]) -> tuple[OrderItem, ...]:
    items: list[OrderItem] = []
    while not items or reader.takes(","):
        start = reader.token.offset
        found = expression(reader)
        _refuse_unsorted(reader, frame, found, sources, start)
        descending = not reader.takes("ASC") and reader.takes("DESC")
        items.append(OrderItem(found, descending))
    return tuple(items)


def _refuse_unsorted(reader: Reader, frame: Frame, found: Expression, sources: tuple[Source, ...], offset: int) -> None:
    """The service sorts with an index, and so only by paths of the document itself."""
    names = syntax.path(found)
    if names is None:
        reader.fail("ORDER BY sorts by properties only, such as c.name.", offset)
    if frame.parent is None and sources and (names[0] != sources[0].alias or sources[0].iterate):
        reader.fail("ORDER BY cannot sort by what JOIN or IN unfolds.", offset)


def _refuse_nonsense(reader: Reader, found: Select, offset: int) -> None:
    if isinstance(found.projection, syntax.Star) and len(found.sources) != 1:
        reader.fail("SELECT * needs exactly one input. Name what you want from each.", offset)
    if found.top and found.limit:
        reader.fail("TOP and OFFSET LIMIT cannot be used together.", offset)
    if found.group_by and found.order_by:
        reader.fail("GROUP BY and ORDER BY cannot be used together.", offset)
    if syntax.is_grouped(found) and (reference := ungrouped(found)):
        message = f"{reference} is neither in an aggregate nor in GROUP BY."
        reader.fail(message, offset)
