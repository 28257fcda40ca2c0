"""An independent answer to "is it the same table": DuckDB counts, adds up and hashes the rows.

Of every table: rows, the exact sum of every decimal column, and the sum of a hash of every row as
text, which depends on every value and on how often a row is there, and not on the order of rows.
The hash is MD5, which is the same in every version of DuckDB; between answers of one version its own
hash does, which takes a tenth of the time.

usage: digest.py REQUEST.json: {"database": FILE or null, "portable": BOOL, "tables": {NAME: QUERY}}
"""

import json
import sys

import duckdb


def digest(connection, query, portable):
    described = connection.execute(f"describe {query}").fetchall()
    columns = sorted((name, kind) for name, kind, *_ in described)
    sums = [name for name, kind in columns if kind.startswith("DECIMAL")]
    # A null is not an empty text, and no value runs into its neighbour.
    texts = ", ".join(
        f"coalesce('=' || replace(cast(\"{name}\" as varchar), '|', '\\|'), '-')"
        for name, _ in columns
    )
    named = ", ".join(f'"{name}"' for name, _ in columns)
    hashed = f"md5_number_lower(concat_ws('|', {texts}))" if portable else f"hash({named})"
    picked = "".join(f', cast(sum("{name}") as varchar)' for name in sums)
    row = connection.execute(
        f"select count(*), cast(sum({hashed}) as varchar){picked} from ({query})"
    ).fetchone()
    return {
        "columns": [name for name, _ in columns],
        "rows": row[0],
        "hash": row[1],
        "sums": dict(zip(sums, row[2:])),
    }


def main():
    with open(sys.argv[1]) as file:
        request = json.load(file)
    database = request["database"] or ":memory:"
    connection = duckdb.connect(database, read_only=request["database"] is not None)
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 2")
    answer = {}
    for name, query in request["tables"].items():
        answer[name] = digest(connection, query, request["portable"])
    print(json.dumps({"duckdb": duckdb.__version__, "tables": answer}))


main()
