"""Statements about the catalogue. Their results are lines of text.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator

from sqlglot import exp

from localaws.athena import types
from localaws.athena.catalogue import Partition, Table, folder, values_of, view_query, view_text
from localaws.athena.failures import Failed
from localaws.athena.query import Query
from localaws.athena.statements import Statement, parse
from localaws.athena.words import Words
from localaws.athena.writes import STORED_AS

type Lines = list[str]

_WIDTH = 20


def run(query: Query, statement: Statement) -> Lines:
    """Run the statement and return the lines that it answers."""
    tree = statement.tree
    if tree is not None:
        return _BY_TREE[statement.substatement](query, tree)
    words = Words(statement.sql)
    return _BY_WORDS[statement.substatement](query, words)


# --- with trees ---


def _create_table(query: Query, tree: exp.Expr) -> Lines:
    schema = tree.this if isinstance(tree.this, exp.Schema) else exp.Schema(this=tree.this)
    database, name = query.named(schema.this)
    if query.catalogue.has_table(database, name):
        if tree.args.get("exists"):
            return []
        raise Failed(f"FAILED: Execution Error, return code 1: AlreadyExistsException: Table {name} already exists")
    given = tree.args["properties"].expressions
    location = _one(given, exp.LocationProperty)
    if location is None or not location.name.startswith("s3://"):
        raise Failed("FAILED: LOCATION of the table has to be an address in S3, s3://…/")
    keys = _one(given, exp.PartitionedByProperty)
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
    query.catalogue.create_table(table, output_format)
    return []


def _one(given: list[exp.Expr], kind: type[exp.Expr]) -> exp.Expr | None:
    return next((one for one in given if isinstance(one, kind)), None)


def _storage(given: list[exp.Expr]) -> tuple[str, str, str]:
    """Return the SerDe, the input format and the output format."""
    stored, row = _one(given, exp.FileFormatProperty), _one(given, exp.RowFormatSerdeProperty)
    if stored is not None and isinstance(stored.this, exp.InputOutputFormat):
        default, reads, writes = "", stored.this.text("input_format"), stored.this.text("output_format")
    else:
        default, reads, writes = _stored_as(stored.name if stored is not None else "TEXTFILE")
    return row.name if row is not None else default, reads, writes


def _serde_parameters(given: list[exp.Expr]) -> dict[str, str]:
    if row := _one(given, exp.RowFormatSerdeProperty):
        serialized = row.args.get("serde_properties")
        return {one.name: one.text("value") for one in serialized.expressions} if serialized else {}
    if row := _one(given, exp.RowFormatDelimitedProperty):
        names = {"fields": "field.delim", "escaped": "escape.delim", "collection_items": "collection.delim"}
        return {key: row.text(part) for part, key in names.items() if row.args.get(part)}
    return {}


def _stored_as(format: str) -> tuple[str, str, str]:
    try:
        return STORED_AS[format.upper()]
    except KeyError:
        raise Failed(f"NOT_SUPPORTED: the sandbox has no tables STORED AS {format}") from None


def _column_definitions(definitions: list[exp.Expr]) -> dict[str, str]:
    kinds = {definition.name.lower(): definition.args["kind"].sql("hive").lower() for definition in definitions}
    return {name: kind.replace(": ", ":").replace(", ", ",") for name, kind in kinds.items()}


def _create_view(query: Query, tree: exp.Expr) -> Lines:
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    database, name = query.named(named)
    sql = tree.expression.sql("trino")
    columns = query.engine.columns(query.prepare(parse(sql), with_rows=False))
    view = Table(database, name, {column: types.hive_type(kind) for column, kind in columns})
    described = {column: types.trino_type(kind) for column, kind in view.columns.items()}
    view = Table(database, name, view.columns, view=view_text(sql, query.database, described))
    if not query.catalogue.has_table(database, name):
        query.catalogue.create_table(view)
    elif tree.args.get("replace") and query.catalogue.table(database, name).view is not None:
        query.catalogue.replace_view(view)
    else:
        raise Failed(f"VIEW_ALREADY_EXISTS: View already exists: '{database}.{name}'")
    return []


def _create_database(query: Query, tree: exp.Expr) -> Lines:
    name = tree.this.name.lower()
    if name in query.catalogue.databases():
        if tree.args.get("exists"):
            return []
        raise Failed(f"FAILED: Execution Error, return code 1: Database {name} already exists")
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    comment, location = (_one(properties, kind) for kind in (exp.SchemaCommentProperty, exp.LocationProperty))
    query.catalogue.create_database(name, comment.name if comment else "", location.name if location else "")
    return []


def _drop_database(query: Query, tree: exp.Expr) -> Lines:
    name = tree.args["tables"][0].name.lower()
    if name not in query.catalogue.databases():
        if tree.args.get("exists"):
            return []
        raise Failed(f"SCHEMA_NOT_FOUND: Schema '{name}' does not exist")
    if query.catalogue.tables(name) and not tree.args.get("cascade"):
        raise Failed(f"FAILED: Execution Error, return code 1: Database {name} is not empty. One or more tables exist.")
    query.catalogue.drop_database(name)
    return []


def _drop_table(query: Query, tree: exp.Expr) -> Lines:
    database, name = query.named(tree.args["tables"][0])
    if query.catalogue.has_table(database, name):
        query.catalogue.drop_table(database, name)
    elif not tree.args.get("exists"):
        raise Failed(f"TABLE_NOT_FOUND: Table '{database}.{name}' does not exist")
    return []


# --- without ---


def _alter(query: Query, words: Words) -> Lines:
    words.expect("ALTER", "TABLE")
    database, name = words.table(query.database)
    table = query.catalogue.table(database, name)
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
        query.catalogue.update_table(database, name, {"Parameters": table.parameters | changed})
        return []
    words.expect("LOCATION")
    storage = query.catalogue.storage(database, name) | {"Location": words.string()}
    query.catalogue.update_table(database, name, {"StorageDescriptor": storage})
    return []


def _add_columns(query: Query, table: Table, words: Words) -> Lines:
    create = parse(f"CREATE EXTERNAL TABLE t {words.rest()} LOCATION 's3://t/'")
    added = _column_definitions(create.this.expressions)
    if known := set(added) & set(table.all_columns):
        raise Failed(f"FAILED: Execution Error, return code 1: Duplicate column name {', '.join(sorted(known))}")
    columns = [{"Name": name, "Type": kind} for name, kind in (table.columns | added).items()]
    storage = query.catalogue.storage(table.database, table.name) | {"Columns": columns}
    query.catalogue.update_table(table.database, table.name, {"StorageDescriptor": storage})
    return []


def _partition_values(table: Table, words: Words) -> list[str]:
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
        raise Failed(f"FAILED: SemanticException Partition spec {given} contains not the partition columns ({keys})")
    return [given[key] for key in table.partition_keys]


def _add_partitions(query: Query, table: Table, words: Words) -> Lines:
    may_be_there = words.accept("IF", "NOT", "EXISTS")
    added = []
    while words.more():
        values = tuple(_partition_values(table, words))
        place = words.string() if words.accept("LOCATION") else f"{table.location}{folder(table, values)}"
        added.append(Partition(values, place.rstrip("/") + "/"))
    known = query.catalogue.add_partitions(table, added)
    if known and not may_be_there:
        raise Failed(f"FAILED: AlreadyExistsException: Partition already exists: {', '.join(map(str, known))}")
    return []


def _drop_partitions(query: Query, table: Table, words: Words) -> Lines:
    may_be_missing = words.accept("IF", "EXISTS")
    loaded = {partition.values for partition in query.catalogue.partitions(table)}
    while words.more():
        values = _partition_values(table, words)
        words.accept(",")
        if tuple(values) not in loaded and not may_be_missing:
            raise Failed(f"FAILED: SemanticException Partition not found {values}")
        query.catalogue.drop_partition(table, values)
    return []


def _repair(query: Query, words: Words) -> Lines:
    words.expect("MSCK", "REPAIR", "TABLE")
    table = query.catalogue.table(*words.table(query.database))
    words.end()
    loaded = {partition.values for partition in query.catalogue.partitions(table)}
    found: dict[tuple[str | None, ...], str] = {}
    for one in query.objects.below(table.location):
        values = values_of(table, one.uri.removeprefix(table.location))
        if values and values not in loaded:
            found[values] = f"{table.location}{folder(table, values)}/"
    query.catalogue.add_partitions(table, [Partition(values, place) for values, place in found.items()])
    named = [folder(table, values) for values in found]
    missing = [f"Partitions not in metastore: {' '.join(f'{table.name}:{name}' for name in named)}"] if named else []
    return missing + [f"Repair: Added partition to metastore {table.name}:{name}" for name in named]


def _show(query: Query, words: Words) -> Lines:
    words.expect("SHOW")
    for name, shown in _SHOWN:
        if words.accept(*name.split()):
            return shown(query, words)
    raise words.unexpected()


def _show_databases(query: Query, words: Words) -> Lines:
    words.accept("LIKE")
    return _like(query.catalogue.databases(), words)


def _show_tables(query: Query, words: Words) -> Lines:
    return _like([table.name for table in query.catalogue.tables(_in(query, words))], words)


def _show_views(query: Query, words: Words) -> Lines:
    views = [table.name for table in query.catalogue.tables(_in(query, words)) if table.view is not None]
    words.accept("LIKE")
    return _like(views, words)


def _show_partitions(query: Query, words: Words) -> Lines:
    table = query.catalogue.table(*words.table(query.database))
    if not table.partition_keys:
        raise Failed(f"FAILED: Execution Error: Table {table.name} is not a partitioned table")
    return sorted(folder(table, partition.values) for partition in query.catalogue.partitions(table))


def _show_columns(query: Query, words: Words) -> Lines:
    words.accept("IN") or words.accept("FROM")
    database, name = words.table(query.database)
    database = words.name() if words.accept("IN") or words.accept("FROM") else database
    return [f"{column:<{_WIDTH}}" for column in query.catalogue.table(database, name).all_columns]


def _show_properties(query: Query, words: Words) -> Lines:
    table = query.catalogue.table(*words.table(query.database))
    return [f"{key}\t{value}" for key, value in sorted(table.parameters.items())]


def _show_create(query: Query, words: Words) -> Lines:
    table = query.catalogue.table(*words.table(query.database))
    storage = query.catalogue.storage(table.database, table.name)
    lines = [f"CREATE EXTERNAL TABLE `{table.name}`(", *_defined(table.columns)]
    if table.partition_keys:
        lines += ["PARTITIONED BY ( ", *_defined(table.partition_keys)]
    lines += ["ROW FORMAT SERDE ", f"  '{table.serde}' "]
    if table.serde_parameters:
        lines += ["WITH SERDEPROPERTIES ( ", *_assigned(table.serde_parameters)]
    lines += ["STORED AS INPUTFORMAT ", f"  '{table.input_format}' "]
    lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{storage.get('Location', '')}'"]
    return [*lines, "TBLPROPERTIES (", *_assigned(table.parameters)] if table.parameters else lines


def _show_create_view(query: Query, words: Words) -> Lines:
    view = query.catalogue.table(*words.table(query.database))
    return [f"CREATE VIEW {view.name} AS ", *view_query(view)[0].splitlines()]


def _defined(columns: dict[str, str]) -> Iterator[str]:
    for at, (name, kind) in enumerate(columns.items(), start=1):
        yield f"  `{name}` {kind}{')' if at == len(columns) else ', '}"


def _assigned(values: dict[str, str]) -> Iterator[str]:
    for at, (name, value) in enumerate(sorted(values.items()), start=1):
        yield f"  '{name}'='{value}'{')' if at == len(values) else ', '}"


def _in(query: Query, words: Words) -> str:
    return words.name() if words.accept("IN") or words.accept("FROM") else query.database


def _like(names: list[str], words: Words) -> Lines:
    """Keep the names that a pattern, with ``*`` and ``|``, allows."""
    if not words.more():
        return names
    patterns = words.string().lower().split("|")
    words.end()
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern.strip()) for pattern in patterns)]


def _describe(query: Query, words: Words) -> Lines:
    if not words.accept("DESCRIBE"):
        words.expect("DESC")
    words.accept("EXTENDED") or words.accept("FORMATTED")
    table = query.catalogue.table(*words.table(query.database))
    lines = [f"{name:<{_WIDTH}}\t{kind:<{_WIDTH}}\t{'':<{_WIDTH}}" for name, kind in table.all_columns.items()]
    if not table.partition_keys:
        return lines
    keys = [f"{name:<{_WIDTH}}\t{kind:<{_WIDTH}}\t{'':<{_WIDTH}}" for name, kind in table.partition_keys.items()]
    heading = f"# {'col_name':<{_WIDTH - 2}}\t{'data_type':<{_WIDTH}}\t{'comment':<{_WIDTH}}"
    return [*lines, "\t \t ", "# Partition Information\t \t ", heading, "\t \t ", *keys]


def _explain(query: Query, words: Words) -> Lines:
    words.expect("EXPLAIN")
    analyze = words.accept("ANALYZE")
    sql = query.prepare(parse(words.rest()), with_rows=analyze)
    plan = query.engine.execute(f"EXPLAIN {'ANALYZE ' if analyze else ''}{sql}").fetchall()
    return [line for _, text in plan for line in text.splitlines()]


_SHOWN: tuple[tuple[str, Callable[[Query, Words], Lines]], ...] = (
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
_BY_TREE: dict[str, Callable[[Query, exp.Expr], Lines]] = {
    "CREATE_TABLE": _create_table,
    "CREATE_VIEW": _create_view,
    "CREATE_DATABASE": _create_database,
    "DROP_DATABASE": _drop_database,
    "DROP_TABLE": _drop_table,
    "DROP_VIEW": _drop_table,
}
_BY_WORDS: dict[str, Callable[[Query, Words], Lines]] = {
    "ALTER_TABLE": _alter,
    "DESCRIBE": _describe,
    "EXPLAIN": _explain,
    "MSCK_REPAIR": _repair,
    "SHOW": _show,
}
