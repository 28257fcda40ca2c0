"""Analysts without Inkhouse: three independent readers must agree with `inkhouse query`.

DuckDB (its own delta extension), Polars and python deltalake open the tables as they lie in
storage; row counts and the exact sums of every decimal column are compared, as text.

usage: agree.py INKHOUSE_BINARY PROJECT_DIR WAREHOUSE_DIR
"""

import csv
import glob
import io
import os
import subprocess
import sys
from decimal import Decimal

import duckdb
import duckdb_extension_delta
import polars
import pyarrow
import pyarrow.compute
from deltalake import DeltaTable

TABLES = [
    "raw/shopify/orders",
    "ops/steps",
    "staging/stg_shopify__orders",
    "staging/stg_shopify__order_lines",
    "marts/fct_order_line_costs",
    "marts/fct_order_lines",
    "marts/fct_unattributed_costs",
    "marts/agg_design_family_daily",
    "marts/fct_customer_family_affinity",
]


def duck():
    folder = os.path.dirname(duckdb_extension_delta.__file__)
    (extension,) = glob.glob(f"{folder}/extensions/*/delta.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"INSTALL '{extension}'")
    connection.execute("LOAD delta")
    return connection


def inkhouse(binary, project, sql):
    command = [binary, "--project", project, "query", "--format", "csv", sql]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"inkhouse query failed: {done.stderr}")
    return list(csv.reader(io.StringIO(done.stdout)))[1]


def normal(value):
    """One text for one figure; a sum of nothing is NULL, which is neither zero nor a gap in a file."""
    return "NULL" if value is None else format(Decimal(value).normalize(), "f")


def query_name(table):
    """How a query names it: `raw` and `ops` by their schemas, models by their names."""
    if table.startswith(("raw/", "ops/")):
        return table.replace("/", ".")
    return table.rsplit("/", 1)[1]


def main():
    binary, project, warehouse = sys.argv[1:4]
    connection = duck()
    figures = differences = 0
    for table in TABLES:
        name = table.rsplit("/", 1)[1]
        path = os.path.join(warehouse, table)
        delta = DeltaTable(path).to_pyarrow_table()
        money = [f.name for f in delta.schema if pyarrow.types.is_decimal(f.type)]
        sums = "".join(f', cast(sum("{c}") as varchar)' for c in money)
        # CSV does not tell NULL from an empty text, so a NULL gets a name.
        named = "".join(f", coalesce(cast(sum(\"{c}\") as varchar), 'NULL')" for c in money)
        ours = inkhouse(binary, project, f"select count(*){named} from {query_name(table)}")
        ours = [None if value == "NULL" else value for value in ours]
        by_duckdb = connection.execute(
            f"select count(*){sums} from delta_scan('file://{path}')"
        ).fetchone()
        frame = polars.scan_delta(path)
        # Polars sums nothing to zero, where SQL says NULL.
        by_polars = [frame.select(polars.len()).collect().item()] + [
            frame.select(
                polars.when(polars.col(c).count() > 0).then(polars.col(c).sum())
            ).collect().item()
            for c in money
        ]
        by_deltalake = [delta.num_rows] + [pyarrow.compute.sum(delta[c]).as_py() for c in money]
        for i, column in enumerate(["rows"] + money):
            values = {
                "inkhouse": normal(ours[i]),
                "duckdb": normal(by_duckdb[i]),
                "polars": normal(by_polars[i]),
                "deltalake": normal(by_deltalake[i]),
            }
            figures += 1
            if len(set(values.values())) != 1:
                differences += 1
                print(f"{name}.{column}: {values}")
        print(f"{name}: {ours[0]} rows, {len(money)} sums of money")
    print(f"{figures} figures compared in 4 readers, {differences} differences")
    # python deltalake may abort while the interpreter ends; what was printed is the answer.
    sys.stdout.flush()
    os._exit(1 if differences else 0)


main()
