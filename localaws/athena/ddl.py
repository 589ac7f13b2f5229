"""DDL and utility statements on the catalog. Their results are lines of text.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator

from sqlglot import exp

from localaws.athena import types
from localaws.athena.catalog import Partition, Table, partition_name, partition_values, view_query, view_text
from localaws.athena.failures import Failed
from localaws.athena.query import Query
from localaws.athena.statements import Statement, parse
from localaws.athena.words import Words
from localaws.athena.writes import STORED_AS

type Lines = list[str]

_COLUMN_WIDTH = 20


def run(query: Query, statement: Statement) -> Lines:
    """Run a statement and return the lines of its result."""
    tree = statement.tree
    if tree is not None:
        return _TREE_HANDLERS[statement.substatement](query, tree)
    words = Words(statement.sql)
    return _WORD_HANDLERS[statement.substatement](query, words)


# --- statements with a syntax tree ---


def _create_table(query: Query, tree: exp.Expr) -> Lines:
    schema = tree.this if isinstance(tree.this, exp.Schema) else exp.Schema(this=tree.this)
    database, name = query.table_name(schema.this)
    if query.catalog.has_table(database, name):
        if tree.args.get("exists"):
            return []
        raise Failed(f"FAILED: Execution Error, return code 1: AlreadyExistsException: Table {name} already exists")
    given = tree.args["properties"].expressions
    location = _find(given, exp.LocationProperty)
    if location is None or not location.name.startswith("s3://"):
        raise Failed("FAILED: LOCATION must be an S3 URI such as s3://bucket/prefix/")
    keys = _find(given, exp.PartitionedByProperty)
    serde, input_format, output_format = _storage(given)
    table = Table(
        database=database,
        name=name,
        columns=_column_definitions(schema.expressions),
        partition_keys=_column_definitions(keys.this.expressions) if keys else {},
        location=location.name,
        serde=serde,
        input_format=input_format,
        serde_parameters=_serde_parameters(given),
        parameters={one.name: one.text("value") for one in given if type(one) is exp.Property},
    )
    query.catalog.create_table(table, output_format)
    return []


def _find(given: list[exp.Expr], kind: type[exp.Expr]) -> exp.Expr | None:
    return next((one for one in given if isinstance(one, kind)), None)


def _storage(given: list[exp.Expr]) -> tuple[str, str, str]:
    """Return the SerDe, the input format and the output format of a table."""
    stored, row = _find(given, exp.FileFormatProperty), _find(given, exp.RowFormatSerdeProperty)
    if stored is not None and isinstance(stored.this, exp.InputOutputFormat):
        default, reads, writes = "", stored.this.text("input_format"), stored.this.text("output_format")
    else:
        default, reads, writes = _stored_as(stored.name if stored is not None else "TEXTFILE")
    return row.name if row is not None else default, reads, writes


def _serde_parameters(given: list[exp.Expr]) -> dict[str, str]:
    if row := _find(given, exp.RowFormatSerdeProperty):
        serialized = row.args.get("serde_properties")
        return {one.name: one.text("value") for one in serialized.expressions} if serialized else {}
    if row := _find(given, exp.RowFormatDelimitedProperty):
        names = {"fields": "field.delim", "escaped": "escape.delim", "collection_items": "collection.delim"}
        return {key: row.text(part) for part, key in names.items() if row.args.get(part)}
    return {}


def _stored_as(format: str) -> tuple[str, str, str]:
    try:
        return STORED_AS[format.upper()]
    except KeyError:
        raise Failed(f"NOT_SUPPORTED: localaws does not support STORED AS {format}") from None


def _column_definitions(definitions: list[exp.Expr]) -> dict[str, str]:
    kinds = {definition.name.lower(): definition.args["kind"].sql("hive").lower() for definition in definitions}
    return {name: kind.replace(": ", ":").replace(", ", ",") for name, kind in kinds.items()}


def _create_view(query: Query, tree: exp.Expr) -> Lines:
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    database, name = query.table_name(named)
    sql = tree.expression.sql("trino")
    columns = query.engine.columns(query.prepare(parse(sql), with_rows=False))
    view = Table(database, name, {column: types.hive_type(kind) for column, kind in columns})
    described = {column: types.trino_type(kind) for column, kind in view.columns.items()}
    view = Table(database, name, view.columns, view=view_text(sql, query.database, described))
    if not query.catalog.has_table(database, name):
        query.catalog.create_table(view)
    elif tree.args.get("replace") and query.catalog.table(database, name).view is not None:
        query.catalog.replace_view(view)
    else:
        raise Failed(f"VIEW_ALREADY_EXISTS: View already exists: '{database}.{name}'")
    return []


def _create_database(query: Query, tree: exp.Expr) -> Lines:
    name = tree.this.name.lower()
    if name in query.catalog.databases():
        if tree.args.get("exists"):
            return []
        raise Failed(f"FAILED: Execution Error, return code 1: Database {name} already exists")
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    comment, location = (_find(properties, kind) for kind in (exp.SchemaCommentProperty, exp.LocationProperty))
    query.catalog.create_database(name, comment.name if comment else "", location.name if location else "")
    return []


def _drop_database(query: Query, tree: exp.Expr) -> Lines:
    name = tree.args["tables"][0].name.lower()
    if name not in query.catalog.databases():
        if tree.args.get("exists"):
            return []
        raise Failed(f"SCHEMA_NOT_FOUND: Schema '{name}' does not exist")
    if query.catalog.tables(name) and not tree.args.get("cascade"):
        raise Failed(f"FAILED: Execution Error, return code 1: Database {name} is not empty. One or more tables exist.")
    query.catalog.drop_database(name)
    return []


def _drop_table(query: Query, tree: exp.Expr) -> Lines:
    database, name = query.table_name(tree.args["tables"][0])
    if query.catalog.has_table(database, name):
        query.catalog.drop_table(database, name)
    elif not tree.args.get("exists"):
        raise Failed(f"TABLE_NOT_FOUND: Table '{database}.{name}' does not exist")
    return []


# --- statements without a syntax tree ---


def _alter(query: Query, words: Words) -> Lines:
    words.expect("ALTER", "TABLE")
    database, name = words.table(query.database)
    table = query.catalog.table(database, name)
    if words.accept("ADD"):
        if words.accept("COLUMNS"):
            return _add_columns(query, table, words)
        return _add_partitions(query, table, words)
    if words.accept("DROP"):
        return _drop_partitions(query, table, words)
    words.expect("SET")
    if words.accept("TBLPROPERTIES"):
        given = parse(f"ALTER TABLE t SET TBLPROPERTIES {words.rest()}")
        changed = {p.name: p.text("value") for p in given.find_all(exp.Property)}
        query.catalog.update_table(database, name, {"Parameters": table.parameters | changed})
        return []
    words.expect("LOCATION")
    storage = query.catalog.storage(database, name) | {"Location": words.string()}
    query.catalog.update_table(database, name, {"StorageDescriptor": storage})
    return []


def _add_columns(query: Query, table: Table, words: Words) -> Lines:
    create = parse(f"CREATE EXTERNAL TABLE t {words.rest()} LOCATION 's3://t/'")
    added = _column_definitions(create.this.expressions)
    if existing := set(added) & set(table.all_columns):
        raise Failed(f"FAILED: Execution Error, return code 1: Duplicate column name {', '.join(sorted(existing))}")
    columns = [{"Name": name, "Type": kind} for name, kind in (table.columns | added).items()]
    storage = query.catalog.storage(table.database, table.name) | {"Columns": columns}
    query.catalog.update_table(table.database, table.name, {"StorageDescriptor": storage})
    return []


def _read_partition_spec(table: Table, words: Words) -> list[str]:
    """Read ``PARTITION (key = value, …)``."""
    words.expect("PARTITION", "(")
    given: dict[str, str] = {}
    while True:
        key = words.name()
        words.expect("=")
        given[key] = words.value()
        if words.accept(")"):
            break
        words.expect(",")
    if set(given) != set(table.partition_keys):
        keys = ", ".join(table.partition_keys)
        raise Failed(f"FAILED: SemanticException Partition spec {given} does not match the partition columns ({keys})")
    return [given[key] for key in table.partition_keys]


def _add_partitions(query: Query, table: Table, words: Words) -> Lines:
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    added = []
    while words.has_more():
        values = tuple(_read_partition_spec(table, words))
        location = words.string() if words.accept("LOCATION") else f"{table.location}{partition_name(table, values)}"
        added.append(Partition(values, location.rstrip("/") + "/"))
    existing = query.catalog.add_partitions(table, added)
    if existing and not if_not_exists:
        raise Failed(f"FAILED: AlreadyExistsException: Partition already exists: {', '.join(map(str, existing))}")
    return []


def _drop_partitions(query: Query, table: Table, words: Words) -> Lines:
    if_exists = words.accept("IF", "EXISTS")
    loaded = {partition.values for partition in query.catalog.partitions(table)}
    while words.has_more():
        values = _read_partition_spec(table, words)
        words.accept(",")
        if tuple(values) not in loaded and not if_exists:
            raise Failed(f"FAILED: SemanticException Partition not found {values}")
        query.catalog.drop_partition(table, values)
    return []


def _repair(query: Query, words: Words) -> Lines:
    words.expect("MSCK", "REPAIR", "TABLE")
    table = query.catalog.table(*words.table(query.database))
    words.expect_end()
    loaded = {partition.values for partition in query.catalog.partitions(table)}
    found: dict[tuple[str | None, ...], str] = {}
    for one in query.objects.list_objects(table.location):
        values = partition_values(table, one.uri.removeprefix(table.location))
        if values and values not in loaded:
            found[values] = f"{table.location}{partition_name(table, values)}/"
    query.catalog.add_partitions(table, [Partition(values, location) for values, location in found.items()])
    named = [partition_name(table, values) for values in found]
    missing = [f"Partitions not in metastore: {' '.join(f'{table.name}:{name}' for name in named)}"] if named else []
    return missing + [f"Repair: Added partition to metastore {table.name}:{name}" for name in named]


def _show(query: Query, words: Words) -> Lines:
    words.expect("SHOW")
    for name, handler in _SHOW_HANDLERS:
        if words.accept(*name.split()):
            return handler(query, words)
    raise words.unexpected()


def _show_databases(query: Query, words: Words) -> Lines:
    words.accept("LIKE")
    return _filter_by_pattern(query.catalog.databases(), words)


def _show_tables(query: Query, words: Words) -> Lines:
    return _filter_by_pattern([table.name for table in query.catalog.tables(_read_database(query, words))], words)


def _show_views(query: Query, words: Words) -> Lines:
    views = [table.name for table in query.catalog.tables(_read_database(query, words)) if table.view is not None]
    words.accept("LIKE")
    return _filter_by_pattern(views, words)


def _show_partitions(query: Query, words: Words) -> Lines:
    table = query.catalog.table(*words.table(query.database))
    if not table.partition_keys:
        raise Failed(f"FAILED: Execution Error: Table {table.name} is not a partitioned table")
    return sorted(partition_name(table, partition.values) for partition in query.catalog.partitions(table))


def _show_columns(query: Query, words: Words) -> Lines:
    words.accept("IN") or words.accept("FROM")
    database, name = words.table(query.database)
    database = words.name() if words.accept("IN") or words.accept("FROM") else database
    return [f"{column:<{_COLUMN_WIDTH}}" for column in query.catalog.table(database, name).all_columns]


def _show_properties(query: Query, words: Words) -> Lines:
    table = query.catalog.table(*words.table(query.database))
    return [f"{key}\t{value}" for key, value in sorted(table.parameters.items())]


def _show_create(query: Query, words: Words) -> Lines:
    table = query.catalog.table(*words.table(query.database))
    storage = query.catalog.storage(table.database, table.name)
    lines = [f"CREATE EXTERNAL TABLE `{table.name}`(", *_column_lines(table.columns)]
    if table.partition_keys:
        lines += ["PARTITIONED BY ( ", *_column_lines(table.partition_keys)]
    lines += ["ROW FORMAT SERDE ", f"  '{table.serde}' "]
    if table.serde_parameters:
        lines += ["WITH SERDEPROPERTIES ( ", *_property_lines(table.serde_parameters)]
    lines += ["STORED AS INPUTFORMAT ", f"  '{table.input_format}' "]
    lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{storage.get('Location', '')}'"]
    return [*lines, "TBLPROPERTIES (", *_property_lines(table.parameters)] if table.parameters else lines


def _show_create_view(query: Query, words: Words) -> Lines:
    view = query.catalog.table(*words.table(query.database))
    return [f"CREATE VIEW {view.name} AS ", *view_query(view)[0].splitlines()]


def _column_lines(columns: dict[str, str]) -> Iterator[str]:
    for at, (name, kind) in enumerate(columns.items(), start=1):
        yield f"  `{name}` {kind}{')' if at == len(columns) else ', '}"


def _property_lines(values: dict[str, str]) -> Iterator[str]:
    for at, (name, value) in enumerate(sorted(values.items()), start=1):
        yield f"  '{name}'='{value}'{')' if at == len(values) else ', '}"


def _read_database(query: Query, words: Words) -> str:
    return words.name() if words.accept("IN") or words.accept("FROM") else query.database


def _filter_by_pattern(names: list[str], words: Words) -> Lines:
    """Return the names that match a pattern with ``*`` and ``|``, if one follows."""
    if not words.has_more():
        return names
    patterns = words.string().lower().split("|")
    words.expect_end()
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern.strip()) for pattern in patterns)]


def _describe(query: Query, words: Words) -> Lines:
    if not words.accept("DESCRIBE"):
        words.expect("DESC")
    words.accept("EXTENDED") or words.accept("FORMATTED")
    table = query.catalog.table(*words.table(query.database))
    lines = [
        f"{name:<{_COLUMN_WIDTH}}\t{kind:<{_COLUMN_WIDTH}}\t{'':<{_COLUMN_WIDTH}}"
        for name, kind in table.all_columns.items()
    ]
    if not table.partition_keys:
        return lines
    keys = [
        f"{name:<{_COLUMN_WIDTH}}\t{kind:<{_COLUMN_WIDTH}}\t{'':<{_COLUMN_WIDTH}}"
        for name, kind in table.partition_keys.items()
    ]
    heading = f"# {'col_name':<{_COLUMN_WIDTH - 2}}\t{'data_type':<{_COLUMN_WIDTH}}\t{'comment':<{_COLUMN_WIDTH}}"
    return [*lines, "\t \t ", "# Partition Information\t \t ", heading, "\t \t ", *keys]


def _explain(query: Query, words: Words) -> Lines:
    words.expect("EXPLAIN")
    analyze = words.accept("ANALYZE")
    sql = query.prepare(parse(words.rest()), with_rows=analyze)
    plan = query.engine.execute(f"EXPLAIN {'ANALYZE ' if analyze else ''}{sql}").fetchall()
    return [line for _, text in plan for line in text.splitlines()]


_SHOW_HANDLERS: tuple[tuple[str, Callable[[Query, Words], Lines]], ...] = (
    ("DATABASES", _show_databases),
    ("SCHEMAS", _show_databases),
    ("TABLES", _show_tables),
    ("VIEWS", _show_views),
    ("PARTITIONS", _show_partitions),
    ("COLUMNS", _show_columns),
    ("TBLPROPERTIES", _show_properties),
    ("CREATE TABLE", _show_create),
    ("CREATE VIEW", _show_create_view),
)
_TREE_HANDLERS: dict[str, Callable[[Query, exp.Expr], Lines]] = {
    "CREATE_TABLE": _create_table,
    "CREATE_VIEW": _create_view,
    "CREATE_DATABASE": _create_database,
    "DROP_DATABASE": _drop_database,
    "DROP_TABLE": _drop_table,
    "DROP_VIEW": _drop_table,
}
_WORD_HANDLERS: dict[str, Callable[[Query, Words], Lines]] = {
    "ALTER_TABLE": _alter,
    "DESCRIBE": _describe,
    "EXPLAIN": _explain,
    "MSCK_REPAIR": _repair,
    "SHOW": _show,
}
