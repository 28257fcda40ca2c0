"""Generated projects of N models: the same graph and the same SQL for Inkhouse, dbt and sqlmesh.

A fifth is staging (projections of `raw.shopify.orders`), half is intermediate, the rest marts; half
of all are projections with a filter, half are a join of two models with a group by. Every model has
the same twelve columns, so that any can read any of the layer below. Only the way in which a model
is named in `from`, and the head of the file, differ between the systems.
"""

import random
from pathlib import Path

import inkhouse

GROUPED = (
    "order_id",
    "order_name",
    "currency_code",
    "channel_name",
    "country_code",
    "is_test",
    "ordered_at",
    "updated_at",
)
SUMMED = ("total_amount", "discount_amount", "tax_amount")
AREA = "generated"


class Graph:
    """Models by name, each with its layer, its SQL and what it reads."""

    def __init__(self, count):
        draw = random.Random(count)
        self.models = []
        staging = count // 5
        intermediate = count // 2
        # All of staging are projections: three in eight of the rest make half of everything.
        names = []
        for number in range(count):
            if number < staging:
                name, layer, below = f"stg_shopify__bench_{number:05}", "staging", []
            elif number < staging + intermediate:
                name, layer = f"int_bench_{number:05}", "intermediate"
                # Mostly what was written lately: chains some ten models deep, as in real projects.
                below = names[-max(staging, 50) :]
            else:
                name, layer = f"fct_bench_{number:05}", "marts"
                below = names[staging:]
            if layer == "staging":
                reads, sql = [], staging_sql
            elif (number - staging) % 8 < 3:
                reads, sql = [draw.choice(below)], projection_sql
            else:
                reads, sql = draw.sample(below, 2), join_sql
            self.models.append((name, layer, reads, sql, number))
            names.append(name)

    @property
    def last(self):
        return self.models[-1][0]


def staging_sql(source, _reads, number):
    return f"""select
    id as order_id,
    name as order_name,
    "currencyCode" as currency_code,
    "sourceName" as channel_name,
    "shippingAddress"['countryCodeV2'] as country_code,
    coalesce(test, false) as is_test,
    "createdAt" as ordered_at,
    "updatedAt" as updated_at,
    cast(1 as bigint) as line_count,
    cast("totalPriceSet"['shopMoney']['amount'] as decimal(18, 4)) as total_amount,
    cast("totalDiscountsSet"['shopMoney']['amount'] as decimal(18, 4)) as discount_amount,
    cast("totalTaxSet"['shopMoney']['amount'] as decimal(18, 4)) as tax_amount
from {source}
where "totalPriceSet"['shopMoney']['amount'] > {number}
"""


def projection_sql(_source, reads, number):
    columns = ",\n    ".join((*GROUPED, "line_count", *SUMMED))
    return f"""select
    {columns}
from {reads[0]}
where total_amount > {number} and not is_test
"""


def join_sql(_source, reads, _number):
    columns = ",\n    ".join(f"one.{name}" for name in GROUPED)
    sums = ",\n    ".join(f"cast(sum(other.{name}) as decimal(18, 4)) as {name}" for name in SUMMED)
    return f"""select
    {columns},
    cast(sum(other.line_count) as bigint) as line_count,
    {sums}
from {reads[0]} as one
inner join {reads[1]} as other
    on one.order_id = other.order_id
    and one.currency_code = other.currency_code
group by
    {columns}
"""


def write_inkhouse(folder, graph):
    """A project folder; what the house itself brings is checked too."""
    inkhouse.write_project(folder)
    for name, layer, reads, sql, number in graph.models:
        below = "staging/shopify" if layer == "staging" else f"{layer}/{AREA}"
        path = Path(folder) / "sql" / below / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = "-- One row per order.\n--\n"
        head += '--! kind = "full"\n--! key  = ["order_id"]\n'
        path.write_text(head + sql("raw.shopify.orders", reads, number))


def write_dbt(folder, graph):
    """A dbt project. It has neither tests nor descriptions, which would only slow it down."""
    folder = Path(folder)
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(DBT_PROJECT)
    (folder / "profiles.yml").write_text(dbt_profile("check.duckdb"))
    (folder / "models" / "sources.yml").write_text(
        "sources:\n  - name: shopify\n    schema: raw_shopify\n    tables:\n      - name: orders\n"
    )
    for name, layer, reads, sql, number in graph.models:
        path = folder / "models" / layer / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        named = [f"{{{{ ref('{read}') }}}}" for read in reads]
        path.write_text(sql("{{ source('shopify', 'orders') }}", named, number))


DBT_PROJECT = """name: bench
profile: bench
model-paths: ["models"]
models:
  bench:
    +materialized: table
flags:
  send_anonymous_usage_stats: false
"""


def dbt_profile(database):
    return f"""bench:
  target: bench
  outputs:
    bench:
      type: duckdb
      path: {database}
      threads: 2
      settings:
        TimeZone: UTC
"""


def write_sqlmesh(folder, graph):
    """A sqlmesh project; the raw table is an external model with its columns."""
    folder = Path(folder)
    (folder / "models").mkdir(parents=True)
    (folder / "config.yaml").write_text(sqlmesh_config("check.duckdb") + SQLMESH_LINTER)
    (folder / "external_models.yaml").write_text(SQLMESH_EXTERNAL)
    layer_of = {name: layer for name, layer, *_ in graph.models}
    for name, layer, reads, sql, number in graph.models:
        path = folder / "models" / layer / f"{name}.sql"
        path.parent.mkdir(exist_ok=True)
        named = [f"{layer_of[read]}.{read}" for read in reads]
        head = f"MODEL (name {layer}.{name}, kind FULL);\n\n"
        path.write_text(head + sql("raw_shopify.orders", named, number))


def sqlmesh_config(database):
    return f"""gateways:
  bench:
    connection:
      type: duckdb
      database: {database}
default_gateway: bench
model_defaults:
  dialect: duckdb
  start: 2026-11-01
"""


# What is nearest to a static check: every column of every model is resolved.
SQLMESH_LINTER = """linter:
  enabled: true
  rules: [ambiguousorinvalidcolumn, invalidselectstarexpansion]
"""


MONEY = "STRUCT(\"shopMoney\" STRUCT(amount DECIMAL(18, 4), \"currencyCode\" TEXT))"
SQLMESH_EXTERNAL = f"""- name: raw_shopify.orders
  columns:
    id: TEXT
    name: TEXT
    currencyCode: TEXT
    sourceName: TEXT
    shippingAddress: 'STRUCT("countryCodeV2" TEXT, "provinceCode" TEXT, zip TEXT)'
    test: BOOLEAN
    createdAt: TIMESTAMPTZ
    updatedAt: TIMESTAMPTZ
    totalPriceSet: '{MONEY}'
    totalDiscountsSet: '{MONEY}'
    totalTaxSet: '{MONEY}'
"""
