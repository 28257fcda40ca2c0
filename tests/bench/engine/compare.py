"""Two builds made the same tables, or the bench fails and says which, and in what they differ."""

import json
import tempfile
from pathlib import Path

import inkhouse
import measure


class Different(measure.Failed):
    """Two tables that had to be equal are not."""


def of_files(python, tables, portable, spoil=False, timeout=900):
    """Digests of Parquet files, `{name: [file, ..]}`, by the DuckDB of that Python."""
    queries = {}
    for name, files in tables.items():
        listed = ", ".join(f"'{file}'" for file in files)
        queries[name] = f"select * from read_parquet([{listed}], union_by_name = true)"
    queries = {name: query for name, query in queries.items() if tables[name]}
    return ask(python, None, spoilt(queries) if spoil else queries, portable, timeout)


def of_database(python, database, tables, spoil=False, timeout=900):
    """Digests of the tables of a DuckDB file, `{name: its name there}`."""
    queries = {name: f"select * from {table}" for name, table in tables.items()}
    return ask(python, database, spoilt(queries) if spoil else queries, True, timeout)


def spoilt(queries):
    """The same with one cent moved from one order to another: sums and counts stay."""
    name = next(name for name in ("fct_bench_orders", "stg_shopify__orders") if name in queries)
    column = "margin_amount" if name == "fct_bench_orders" else "shipping_amount"
    query = f"""select * replace (cast({column} + case order_id
            when (select min(order_id) from ({queries[name]})) then 0.01
            when (select max(order_id) from ({queries[name]})) then -0.01
            else 0 end as decimal(18, 4)) as {column})
        from ({queries[name]})"""
    return {**queries, name: query}


def ask(python, database, queries, portable, timeout):
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder) / "request.json"
        database = str(database) if database else None
        asked = {"database": database, "portable": portable, "tables": queries}
        request.write_text(json.dumps(asked))
        script = Path(__file__).parent / "digest.py"
        done = measure.run([python, script, request], timeout)
    return json.loads(done.out.splitlines()[-1])["tables"]


def model_files(project):
    """Every model's table of a project and the files that it is now."""
    tables = {}
    for layer in ("staging", "intermediate", "marts", "exports"):
        for log in sorted((Path(project) / "warehouse" / layer).glob("*/_delta_log")):
            tables[log.parent.name] = inkhouse.live_files(log.parent)
    return tables


def differing(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return ", ".join(f"{key} {a[key]} and {b[key]}" for key in a if a[key] != b.get(key))
    return f"{a} and {b}"


def equal(one, one_name, other, other_name, what):
    """Fails unless both hold the same tables with the same rows. Returns (tables, rows)."""
    faults = []
    for name in sorted(set(one) | set(other)):
        a, b = one.get(name), other.get(name)
        if a is None or b is None:
            faults.append(f"`{name}` is missing in {one_name if a is None else other_name}")
            continue
        for field in ("columns", "rows", "sums", "hash"):
            if a[field] != b[field]:
                faults.append(f"`{name}`: {field} {differing(a[field], b[field])}")
                break
    if faults:
        listed = "\n  ".join(faults)
        raise Different(f"{what}: {one_name} and {other_name} differ\n  {listed}")
    if not one:
        raise Different(f"{what}: there is nothing to compare")
    return len(one), sum(table["rows"] for table in one.values())
