"""The chain of marts as Inkhouse, dbt and sqlmesh build it, from the same Parquet files.

The SQL is that of `chain/`, which is Inkhouse's own form. For the peers it is rewritten: names
become references, timestamps are compared as DuckDB compares them, and a merge model becomes an
incremental one in the peer's own way.

What "only what changed" means differs, and the README says so. A peer's model carries a watermark
(`extracted_at`) that its author filters by; it takes no notice of a changed product or price, of a
deleted row, or of a row whose day or key moved. Inkhouse finds the changed keys in the inputs'
commits and does follow these. The changes of this bench are such that both must come out equal.
"""

import re
import shutil
import tomllib
from pathlib import Path

import inkhouse
import measure
import models

CHAIN = Path(__file__).parent / "chain"
TARGETS = ("agg_bench_family_daily", "fct_bench_orders")
SELECT = tuple(f"+{name}" for name in TARGETS)
LAYERS = {"stg": "staging", "int": "intermediate", "fct": "marts", "agg": "marts"}
RAW = ("shopify.orders", "shopify.products", "printify.products")


class Model:
    """A file of `chain/`, taken apart."""

    def __init__(self, path):
        self.name = path.stem
        self.text = path.read_text()
        lines = self.text.splitlines(keepends=True)
        head = "".join(line[3:] for line in lines if line.startswith("--!"))
        self.header = tomllib.loads(head)
        self.sql = "".join(line for line in lines if not line.startswith("--"))
        self.layer = LAYERS[self.name.split("_")[0]]

    @property
    def changed_by(self):
        return self.header.get("changed_by", [])

    def path_below(self, folder):
        area = re.fullmatch(r"stg_(\w+?)__\w+", self.name)
        return Path(folder) / self.layer / (area.group(1) if area else "bench") / f"{self.name}.sql"


def chain():
    return [Model(path) for path in sorted(CHAIN.glob("*.sql"))]


# Inkhouse


def write_inkhouse(folder, incremental=True):
    """The chain as a project's own models; without `incremental` every model is `full`."""
    for model in chain():
        path = model.path_below(Path(folder) / "sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = model.text
        if not incremental:
            text = re.sub(r"(?m)^--! changed_by.*\n", "", text).replace('"merge"', '"full"')
        path.write_text(text)


def knows_changed_by(binary, folder):
    """Whether this binary builds merge models by their changed keys."""
    inkhouse.remove(folder)
    inkhouse.write_project(folder)
    write_inkhouse(folder)
    done = inkhouse.Inkhouse(binary, folder).run("check", timeout=120, check=False)
    inkhouse.remove(folder)
    if not done.ok and "changed_by" not in done.err:
        raise measure.Failed(f"the chain does not pass `inkhouse check`\n{done.err}")
    return done.ok


# DuckDB's dialect


def duckdb_sql(sql):
    """DataFusion joins timestamps as integers, DuckDB as they are."""
    return re.sub(r"cast\((max\(_extracted_at\)|\w+\._extracted_at) as bigint\)", r"\1", sql)


def rewritten(model, raw, ref, only):
    """The SQL with its references named by `raw` and `ref`.

    `only` is what is put after `where` of what an incremental model reads, by its alias; `None` for
    all rows.
    """
    known = {other.name: other for other in chain()}

    def place(match):
        word, name, alias = match.group(1), match.group(2), match.group(3)
        if name.startswith("raw."):
            table, alias, is_watched = raw(name[4:]), alias or "source", True
        elif name in known:
            table, alias = ref(known[name]), alias or name
            is_watched = bool(known[name].changed_by)
        else:
            return match.group(0)
        if not (model.changed_by and is_watched and only):
            return f"{word} {table} as {alias}"
        return f"{word} (select * from {table} {only(table)}) as {alias}"

    pattern = r"\b(from|join) ([a-z_]+(?:\.[a-z_]+)*)(?: as (\w+))?(?=\s|$)"
    return re.sub(pattern, place, duckdb_sql(model.sql))


# dbt


def write_dbt(folder, raw_folder, tests=True):
    """A dbt project over `<raw_folder>/<source>/<stream>/*.parquet`, read through a link `raw`."""
    folder = Path(folder)
    inkhouse.remove(folder)
    for below in ("models", "macros", "tests/generic"):
        (folder / below).mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(models.DBT_PROJECT)
    (folder / "profiles.yml").write_text(models.dbt_profile("store.duckdb"))
    (folder / "macros" / "newer.sql").write_text(DBT_NEWER)
    (folder / "tests" / "generic" / "unique_key.sql").write_text(DBT_UNIQUE_KEY)
    sources = "sources:\n"
    for source in sorted({name.split(".")[0] for name in RAW}):
        sources += f"  - name: {source}\n    config:\n      meta:\n        external_location: "
        sources += f"\"read_parquet('raw/{source}/{{name}}/*.parquet')\"\n    tables:\n"
        for name in RAW:
            if name.startswith(f"{source}."):
                sources += f"      - name: {name.split('.')[1]}\n"
    (folder / "models" / "sources.yml").write_text(sources)
    schema = "models:\n"
    for model in chain():
        (folder / "models" / f"{model.name}.sql").write_text(dbt_model(model))
        key = ", ".join(model.header["key"])
        schema += f"  - name: {model.name}\n    data_tests:\n"
        schema += f"      - unique_key:\n          arguments:\n            columns: [{key}]\n"
        schema += "    columns:\n"
        for name in dict.fromkeys([*model.header["key"], *model.header["not_null"]]):
            schema += f"      - name: {name}\n        data_tests: [not_null]\n"
    if tests:
        (folder / "models" / "schema.yml").write_text(schema)
    point(folder, raw_folder)


def point(folder, raw_folder):
    """Lets a peer's project read that landing."""
    link = Path(folder) / "raw"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(raw_folder).resolve())


def dbt_model(model):
    def raw(name):
        source, table = name.split(".")
        return f"{{{{ source('{source}', '{table}') }}}}"

    def ref(other):
        return f"{{{{ ref('{other.name}') }}}}"

    if not model.changed_by:
        return "{{ config(materialized='table') }}\n\n" + rewritten(model, raw, ref, None)
    (key,) = model.changed_by
    column = "_extracted_at" if model.name.startswith("stg_") else "extracted_at"

    def only(table):
        if key == "order_id":
            return f"{{{{ newer('{column}') }}}}"
        inner = f"select {key} from {table} {{{{ newer('{column}') }}}}"
        return f"{{% if is_incremental() %}}where {key} in ({inner}){{% endif %}}"

    head = (
        "{{ config(materialized='incremental', incremental_strategy='delete+insert', "
        f"unique_key='{key}', on_schema_change='fail') }}}}\n\n"
    )
    return head + rewritten(model, raw, ref, only)


# The watermark is a constant in the SQL, so that DuckDB can skip Parquet files by it.
DBT_NEWER = """{% macro newer(column) %}
{%- if is_incremental() -%}
{%- set answer = run_query(
    "select cast(coalesce(max(extracted_at), timestamptz '1970-01-01') as varchar) from " ~ this
) -%}
{%- if execute -%}
where {{ column }} > timestamptz '{{ answer.columns[0].values()[0] }}'
{%- endif -%}
{%- endif -%}
{% endmacro %}
"""

DBT_UNIQUE_KEY = """{% test unique_key(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
"""


# sqlmesh


def write_sqlmesh(folder, raw_folder):
    """A sqlmesh project over the same files; merge models are incremental by their unique key."""
    folder = Path(folder)
    inkhouse.remove(folder)
    (folder / "models").mkdir(parents=True)
    (folder / "config.yaml").write_text(models.sqlmesh_config("store.duckdb"))
    for model in chain():
        (folder / "models" / f"{model.name}.sql").write_text(sqlmesh_model(model))
    point(folder, raw_folder)


def sqlmesh_model(model):
    def raw(name):
        source, table = name.split(".")
        return f"read_parquet('raw/{source}/{table}/*.parquet')"

    def ref(other):
        return f"bench.{other.name}"

    key = ", ".join(model.header["key"])
    never_null = ", ".join(dict.fromkeys([*model.header["key"], *model.header["not_null"]]))
    audits = f"unique_combination_of_columns(columns := ({key})), "
    audits += f"not_null(columns := ({never_null}))"
    column = "_extracted_at" if model.name.startswith("stg_") else "extracted_at"
    if model.changed_by:
        kind = f"INCREMENTAL_BY_UNIQUE_KEY (unique_key ({key}))"
    else:
        kind = "FULL"
    between = f"where {column} >= @start_ts and {column} <= @end_ts"

    def only(table):
        if model.changed_by == ["order_id"]:
            return between
        (name,) = model.changed_by
        return f"where {name} in (select {name} from {table} {between})"

    head = f"MODEL (\n  name bench.{model.name},\n  kind {kind},\n  audits ({audits})\n);\n\n"
    return head + rewritten(model, raw, ref, only if model.changed_by else None)


def copy_database(folder, other):
    """A peer's project as it is now, its DuckDB file with it, at another place."""
    inkhouse.remove(other)
    shutil.copytree(folder, other, symlinks=True)
