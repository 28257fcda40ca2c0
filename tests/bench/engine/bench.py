"""The bench of the model engine: checks, builds, and peers beside them; prints one Markdown table.

Started by `run`, which sees to the binary and the rigs. See README.md for what is measured.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import sys
import time
from pathlib import Path

import compare
import inkhouse
import measure
import models
import peers
import shop
from measure import Figure, repeat, say

ROOT = Path(__file__).resolve().parents[3]
HOME = Path(os.environ.get("HOME", "."))
CACHE = Path(os.environ.get("INKHOUSE_BENCH", HOME / ".cache/inkhouse/bench"))
RIGS = Path(os.environ.get("INKHOUSE_RIGS", HOME / ".cache/inkhouse/rigs"))
QUIET = {
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DBT_USE_COLORS": "false",
    "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true",
    "MAX_FORK_WORKERS": str(measure.CORES),
    "DO_NOT_TRACK": "1",
}


class Bench:
    """What was asked for, and what came out."""

    def __init__(self, asked):
        self.asked = asked
        self.binary = Path(os.environ["INKHOUSE_BIN"])
        self.rows = []
        self.facts = []

    def rig(self, name, program):
        """A program of a peer, if it is installed and wanted."""
        path = RIGS / name / "bin" / program
        return path if not self.asked.no_peers and path.exists() else None

    @property
    def python(self):
        """The Python of the independent readers."""
        return RIGS / "readers" / "bin" / "python"

    def row(self, case, system, what, figure, ratio=None, note="", built=None):
        """A row of the table; `built` is what a build of Inkhouse told of its models."""
        say(f"{case}: {system}, {what}: {shown(figure)}")
        row = {"case": case, "system": system, "what": what, **figure.to_json()}
        row["rows_read"], row["ratio"] = built and built["rows_read"], ratio
        row["models"] = built and built["models"]
        row["note"] = "; ".join(part for part in (figure.note, note) if part)
        self.rows.append(row)

    def fact(self, text):
        say(text)
        self.facts.append(text)


# Checking N models


def check_part(bench, folder):
    for count in bench.asked.models:
        case = f"check of {count:,} generated models"
        graph = models.Graph(count)
        here = folder / f"check-{count}"
        runs, budget, limit = bench.asked.runs, bench.asked.budget, bench.asked.timeout

        models.write_inkhouse(here / "inkhouse", graph)
        house = inkhouse.Inkhouse(bench.binary, here / "inkhouse")
        last = []

        def check(house=house, last=last):
            done = house.run("--json", "check", timeout=limit, check=False)
            last[:] = [done]
            return done

        figure = repeat(check, runs, budget, warmup=1)
        counted = inkhouse.events(last[0], "check")
        if figure.runs and (not counted or counted[0]["models"] < count):
            raise measure.Failed(f"`inkhouse check` did not plan {count} models: {last[0].out}")
        own = counted[0]["models"] - count if counted else 0
        bench.row(case, "inkhouse", "check", figure, note=f"and {own} models of the house")
        broken(bench, house, graph)
        inkhouse.remove(here / "inkhouse")

        # To see that the scripts work, the peers need not load the larger projects.
        wanted = not bench.asked.quick or count == min(bench.asked.models)
        if wanted and (dbt := bench.rig("dbt", "dbt")):
            models.write_dbt(here / "dbt", graph)
            dbt_checks(bench, case, dbt, here / "dbt")
        if wanted and (sqlmesh := bench.rig("sqlmesh", "sqlmesh")):
            models.write_sqlmesh(here / "sqlmesh", graph)
            sqlmesh_checks(bench, case, sqlmesh, here / "sqlmesh")
        inkhouse.remove(here)


def broken(bench, house, graph):
    """A check that finds nothing is no check: with one wrong column it has to fail."""
    layer = "marts"
    path = house.project / "sql" / layer / models.AREA / f"{graph.last}.sql"
    path.write_text(path.read_text().replace("order_name", "order_nam"))
    done = house.run("check", timeout=bench.asked.timeout, check=False)
    if done.ok or "order_nam" not in done.err:
        raise measure.Failed("a model with an unknown column passed `inkhouse check`")


def dbt_checks(bench, case, dbt, folder):
    """`parse` reads the project; `compile` renders every model's SQL; neither looks at columns."""

    def command(*words):
        return lambda: measure.run(
            [dbt, *words], bench.asked.timeout, cwd=folder, env=QUIET, check=False
        )

    def cold(*words):
        def once():
            inkhouse.remove(folder / "target")
            return command(*words)()

        return once

    runs, budget = bench.asked.runs, bench.asked.budget
    for words in (("parse",), ("compile", "--quiet")):
        what = f"`dbt {words[0]}`"
        figure = repeat(cold(*words), runs, budget, must=False)
        bench.row(case, "dbt", f"{what}, cold", figure, note="no types, no columns")
        if figure.runs:
            figure = repeat(command(*words), runs, budget, must=False)
            bench.row(case, "dbt", f"{what}, warm", figure, note="no types, no columns")


def sqlmesh_checks(bench, case, sqlmesh, folder):
    """`lint` with its two column rules loads every model and resolves every column."""

    def warm():
        command = [sqlmesh, "lint"]
        return measure.run(command, bench.asked.timeout, cwd=folder, env=QUIET, check=False)

    def cold():
        inkhouse.remove(folder / ".cache")
        return warm()

    runs, budget = bench.asked.runs, bench.asked.budget
    figure = repeat(cold, runs, budget, must=False)
    bench.row(case, "sqlmesh", "`sqlmesh lint`, cold", figure, note="columns, no type errors")
    if figure.runs:
        figure = repeat(warm, runs, budget, must=False)
        bench.row(case, "sqlmesh", "`sqlmesh lint`, warm", figure, note="columns, no type errors")


# Building the house's own models


def shop_part(bench, folder):
    for orders in bench.asked.orders:
        case = f"all models, {orders:,} orders"
        base = shop.base(bench.binary, orders, CACHE, ROOT, bench.asked.timeout)
        States(bench, case, folder / f"shop-{orders}").inkhouse(base, ())
        inkhouse.remove(folder / f"shop-{orders}")


class States:
    """The states of a warehouse, built one after the other: full, unchanged, one in a hundred."""

    def __init__(self, bench, case, folder, portable=False):
        self.bench, self.case, self.folder = bench, case, folder
        folder.mkdir(parents=True, exist_ok=True)
        # What each state must come out as: the digests of a full build of it.
        self.digests = {}
        self.portable = portable

    def inkhouse(self, base, select, prepare=lambda project: None):
        """Every state as Inkhouse builds it; what is incremental must equal what is full."""
        bench, limit = self.bench, self.bench.asked.timeout
        landings = {variant: self.landed(base, variant) for variant in shop.VARIANTS}

        def full(raw, now):
            def once():
                project = raw.copy(self.folder / "full")
                prepare(project.project)
                done = project.build(select, now, limit, check=False)
                once.summary = inkhouse.summary(done)
                return done

            return once

        first = full(base, shop.NIGHT)
        figure = repeat(first, bench.asked.builds, bench.asked.budget)
        if not figure.runs:
            bench.row(self.case, "inkhouse", "full build", figure)
            return
        whole = figure.spread(lambda run: run.wall)[0]
        told_of = told(first.summary)
        bench.row(self.case, "inkhouse", "full build", figure, note=told_of, built=first.summary)
        built = inkhouse.Inkhouse(bench.binary, self.folder / "full").copy(self.folder / "built")
        self.digests["full"] = self.digest(built)
        self.files = compare.model_files(built.project)

        def again():
            done = built.build(select, shop.NIGHT, limit, check=False)
            again.summary = inkhouse.summary(done)
            return done

        figure = repeat(again, bench.asked.runs, bench.asked.budget, warmup=1)
        if figure.runs and again.summary["statuses"].get("built"):
            raise measure.Failed(f"{self.case}: a build of nothing new built {again.summary}")
        ratio = ratio_of(figure, whole)
        bench.row(self.case, "inkhouse", "nothing changed", figure, ratio, built=again.summary)
        if compare.model_files(built.project) != self.files:
            raise measure.Failed(f"{self.case}: a build of nothing new wrote files")

        for variant, landing in landings.items():
            self.changed(base, built, variant, landing, select, prepare, full)

    def changed(self, base, built, variant, landing, select, prepare, full):
        """One order in a hundred: built on what is there, then compared with a full build."""
        bench, limit = self.bench, self.bench.asked.timeout
        before = self.folder / "before"
        came = shop.land(built.copy(before), variant, base.project, limit)

        def once():
            source = inkhouse.Inkhouse(bench.binary, before)
            project = source.copy(self.folder / "changed")
            done = project.build(select, shop.NEXT_NIGHT, limit, check=False)
            once.summary = inkhouse.summary(done)
            return done

        figure = repeat(once, bench.asked.builds, bench.asked.budget)
        if not figure.runs:
            bench.row(self.case, "inkhouse", f"1 % changed, {variant}", figure)
            return
        rebuild = full(landing, shop.NEXT_NIGHT)
        again = rebuild()
        if not again.ok:
            raise measure.Failed(f"{self.case}: the full build failed\n{again.err}")
        ratio = ratio_of(figure, again.wall)
        summary = once.summary
        note = f"{came:,} orders, {told(summary)}"
        if summary["rows_read"] is not None and rebuild.summary["rows_read"]:
            share = summary["rows_read"] / rebuild.summary["rows_read"]
            note += f", {share:.3f} of the rows read by a full build"
        what = f"1 % changed, {variant}"
        bench.row(self.case, "inkhouse", what, figure, ratio, note, summary)
        what, told_of = "full build of the same", told(rebuild.summary)
        figure = Figure([again])
        bench.row(self.case, "inkhouse", what, figure, note=told_of, built=rebuild.summary)
        spoil = bench.asked.spoil == "inkhouse"
        changed = self.digest(inkhouse.Inkhouse(bench.binary, self.folder / "changed"), spoil)
        whole = self.digest(inkhouse.Inkhouse(bench.binary, self.folder / "full"))
        if whole == self.digests["full"]:
            raise measure.Failed(f"{self.case}, {variant}: the change changed no table")
        self.digests[variant] = whole
        self.equal(f"1 % changed, {variant}", changed, "a full build", whole)
        inkhouse.remove(before)
        inkhouse.remove(self.folder / "changed")

    def landed(self, base, variant):
        """The raw tables with the changes in them, nothing built."""
        project = base.copy(self.folder / f"raw-{variant}")
        shop.land(project, variant, base.project, self.bench.asked.timeout)
        return project

    def digest(self, project, spoil=False):
        files = compare.model_files(project.project)
        return compare.of_files(self.bench.python, files, self.portable, spoil)

    def equal(self, what, one, other_name, other):
        tables, rows = compare.equal(one, what, other, other_name, self.case)
        self.bench.fact(f"{self.case}: {what} equals {other_name}: {tables} tables, {rows:,} rows")


def told(summary):
    """`40 built (38 incremental, 2 full), 2 unchanged`"""
    parts = []
    for status, count in sorted(summary["statuses"].items()):
        ways = {} if status != "built" else dict(summary["ways"] or {})
        ways.pop("unchanged", None)
        within = ", ".join(f"{many} {way}" for way, many in sorted(ways.items()))
        parts.append(f"{count} {status}" + (f" ({within})" if within else ""))
    return ", ".join(parts)


def ratio_of(figure, whole):
    return figure.spread(lambda run: run.wall)[0] / whole if figure.runs else None


# The same chain as peers build it


def chain_part(bench, folder):
    incremental = peers.knows_changed_by(bench.binary, folder / "probe")
    if not incremental:
        bench.fact("this binary does not know `changed_by`: the chain's models are `full`")

    def prepare(project):
        peers.write_inkhouse(project, incremental)

    for orders in bench.asked.chain_orders:
        case = f"a chain of {len(peers.chain())} models, {orders:,} orders"
        here = folder / f"chain-{orders}"
        base = shop.base(bench.binary, orders, CACHE, ROOT, bench.asked.timeout)
        states = States(bench, case, here, portable=True)
        states.inkhouse(base, peers.SELECT, prepare)
        landings = {"full": base.project}
        landings |= {variant: here / f"raw-{variant}" for variant in shop.VARIANTS}
        for project in landings.values():
            no_strays(project)
        if dbt := bench.rig("dbt", "dbt"):
            # With tests it does what Inkhouse does; without, what a hurried user does.
            ways = [("build", "dbt build"), ("run", "dbt run, no tests")]
            for word, name in ways[:1] if bench.asked.quick else ways:
                Dbt(bench, dbt, word, here / "dbt", landings).measure(states, name)
        if sqlmesh := bench.rig("sqlmesh", "sqlmesh"):
            Sqlmesh(bench, sqlmesh, here / "sqlmesh", landings).measure(states, "sqlmesh")
        inkhouse.remove(here)


def no_strays(project):
    """Peers read a folder, Inkhouse a table: both must be the same files."""
    for name in peers.RAW:
        table = Path(project) / "warehouse/raw" / name.replace(".", "/")
        if set(table.glob("*.parquet")) != set(inkhouse.live_files(table)):
            raise measure.Failed(f"`{table}` holds files that are not of the table")


class Peer:
    """A peer's project, built in the same states; every state must equal Inkhouse's."""

    schema = "main"

    def __init__(self, bench, program, folder, landings):
        self.bench, self.program, self.folder = bench, program, folder
        self.landings = landings

    def raw(self, state):
        return Path(self.landings[state]) / "warehouse/raw"

    def run(self, folder, state):
        return self.call(self.command(state), folder, check=False)

    def call(self, words, folder, check=True):
        command = [self.program, *words]
        limit = self.bench.asked.timeout
        return measure.run(command, limit, cwd=folder, env=QUIET, check=check)

    def measure(self, states, name):
        bench, case = self.bench, states.case

        def full():
            # The project is new and its database empty, but it was loaded once: its cache is warm.
            self.write()
            self.call(self.load, self.folder)
            return self.run(self.folder, "full")

        figure = repeat(full, bench.asked.builds, bench.asked.budget)
        bench.row(case, name, "full build", figure)
        if not figure.runs:
            return
        whole = figure.spread(lambda run: run.wall)[0]
        self.equal(states, name, "full", self.folder)
        again = repeat(lambda: self.run(self.folder, "full"), bench.asked.runs, bench.asked.budget)
        bench.row(case, name, "nothing changed", again, ratio=ratio_of(again, whole))
        self.equal(states, name, "full", self.folder)
        changed = self.folder.with_name(f"{self.folder.name}-changed")
        for variant in shop.VARIANTS:

            def once(variant=variant):
                peers.copy_database(self.folder, changed)
                peers.point(changed, self.raw(variant))
                return self.run(changed, variant)

            figure = repeat(once, bench.asked.builds, bench.asked.budget)
            ratio = ratio_of(figure, whole)
            bench.row(case, name, f"1 % changed, {variant}", figure, ratio=ratio)
            if figure.runs:
                self.equal(states, name, variant, changed)
        inkhouse.remove(changed)
        inkhouse.remove(self.folder)

    def equal(self, states, name, state, folder):
        database = folder / "store.duckdb"
        tables = {model.name: f"{self.schema}.{model.name}" for model in peers.chain()}
        python = self.program.with_name("python")
        spoil = self.bench.asked.spoil == "peer"
        theirs = compare.of_database(python, database, tables, spoil)
        if ours := states.digests.get(state):
            states.equal(f"{name}, {state}", theirs, "inkhouse", ours)
        else:
            states.bench.fact(f"{states.case}: {name}, {state} is compared with nothing")


class Dbt(Peer):
    """dbt with DuckDB."""

    load = ("parse",)

    def __init__(self, bench, program, word, folder, landings):
        super().__init__(bench, program, folder, landings)
        self.word = word

    def write(self):
        peers.write_dbt(self.folder, self.raw("full"))

    def command(self, _state):
        return [self.word]


class Sqlmesh(Peer):
    """sqlmesh with DuckDB; its clock is set, since it counts days and not rows."""

    schema = "store.bench"
    load = ("lint",)

    def write(self):
        peers.write_sqlmesh(self.folder, self.raw("full"))

    def command(self, state):
        day = "2026-11-02" if state == "full" else "2026-11-03"
        words = ["plan", "--run", "--auto-apply", "--no-prompts", "--execution-time"]
        return [*words, f"{day} 00:00:00"]


# The answer


def shown(figure):
    if not figure.runs:
        return figure.note
    wall, cpu, peak = (figure.spread(of)[0] for of in (lambda r: r.wall, lambda r: r.cpu,
                                                       lambda r: r.peak))
    return f"{wall:.2f} s wall, {cpu:.2f} s CPU, {peak / 1e6:.0f} MB"


def table(rows):
    names = ["case", "system", "what", "wall s (min-max, runs)", "CPU s", "peak MB", "rows read"]
    names += ["of full", "note"]
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    last = None
    for row in rows:
        case = row["case"] if row["case"] != last else ""
        last = row["case"]
        cells = [case, row["system"], row["what"]]
        if row["runs"]:
            wall = row["wall"]
            spread = f"({wall['min']:.2f}-{wall['max']:.2f}, {row['runs']})"
            cells.append(f"{wall['median']:.2f} {spread}")
            cells += [f"{row['cpu']['median']:.2f}", f"{row['peak']['median'] / 1e6:.0f}"]
        else:
            cells += ["-", "-", "-"]
        cells.append("-" if row["rows_read"] is None else f"{row['rows_read']:,}")
        cells.append("-" if row["ratio"] is None else f"{row['ratio']:.3f}")
        lines.append("| " + " | ".join([*cells, row["note"]]) + " |")
    return "\n".join(lines)


def versions(bench):
    """What was measured, by its own account."""
    found = {"inkhouse": measure.run([bench.binary, "--version"], 20).out.strip()}
    for name in ("readers", "dbt", "sqlmesh"):
        stamp = RIGS / name / ".installed"
        found[name] = stamp.read_text().strip() if stamp.exists() else "not installed"
    found["python"] = platform.python_version()
    return found


def machine():
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores ({model}), {memory / 1e9:.0f} GB; load before: {load:.2f}"


def numbers(text):
    return [int(word.replace("_", "")) for word in text.split(",") if word]


def arguments():
    parser = argparse.ArgumentParser(prog="run", description="The bench of the model engine.")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it still work?")
    parser.add_argument("--only", type=lambda t: t.split(","), default=["check", "shop", "chain"],
                        metavar="PARTS", help="of check,shop,chain")
    parser.add_argument("--models", type=numbers, help="sizes of projects (100,1000,10000)")
    parser.add_argument("--orders", type=numbers, help="sizes of the shop (100000,1000000)")
    parser.add_argument("--chain-orders", type=numbers, help="sizes beside peers (100000,1000000)")
    parser.add_argument("--runs", type=int, help="runs of a short command (5)")
    parser.add_argument("--builds", type=int, help="runs of a build (3)")
    parser.add_argument("--budget", type=float, help="seconds after which nothing is repeated (180)")
    parser.add_argument("--timeout", type=float, help="seconds that one command may take (1200)")
    parser.add_argument("--no-peers", action="store_true", help="Inkhouse alone")
    parser.add_argument("--clean", action="store_true", help="empty the cache of shops, and end")
    parser.add_argument("--spoil", choices=["inkhouse", "peer"],
                        help="move a cent in that one's result: the bench has to fail")
    asked = parser.parse_args()
    for name in asked.only:
        if name not in PARTS:
            parser.error(f"there is no part `{name}`; the parts are {', '.join(PARTS)}")
    usual = {
        "models": ([100, 1_000, 10_000], [100, 1_000]),
        "orders": ([100_000, 1_000_000], [5_000]),
        "chain_orders": ([100_000, 1_000_000], [5_000]),
        "runs": (5, 1),
        "builds": (3, 1),
        "budget": (180, 10),
        "timeout": (1200, 120),
    }
    for name, (long, quick) in usual.items():
        if getattr(asked, name) is None:
            setattr(asked, name, quick if asked.quick else long)
    return asked


PARTS = {"check": check_part, "shop": shop_part, "chain": chain_part}


def work_folder():
    """Beside the cache: on one file system tables are linked and not copied.

    What a bench left that was killed goes now.
    """
    for left in CACHE.glob("work-*"):
        if not Path("/proc", left.name.removeprefix("work-")).exists():
            inkhouse.remove(left)
    folder = CACHE / f"work-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def main():
    # Whoever ends the bench ends what it started: see `measure.run`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    asked = arguments()
    if asked.clean:
        inkhouse.remove(CACHE)
        return 0
    bench = Bench(asked)
    CACHE.mkdir(parents=True, exist_ok=True)
    began, about = time.time(), {"machine": machine(), "versions": versions(bench)}
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    failure = None
    folder = work_folder()
    try:
        for name in asked.only:
            PARTS[name](bench, folder)
    except measure.Failed as error:
        failure = error
    finally:
        inkhouse.remove(folder)
    print(f"{day} UTC; {about['machine']}\n")
    print(table(bench.rows))
    print()
    for fact in bench.facts:
        print(f"- {fact}")
    for name, version in about["versions"].items():
        print(f"- {name}: {version}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    file = results / f"{day.replace(' ', 'T').replace(':', '')}.json"
    whole = {"at": day, **about, "seconds": time.time() - began, "asked": vars(asked)}
    whole |= {"rows": bench.rows, "facts": bench.facts, "failure": failure and str(failure)}
    file.write_text(json.dumps(whole, indent=1) + "\n")
    if failure:
        print(f"\nFAILED: {failure}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
