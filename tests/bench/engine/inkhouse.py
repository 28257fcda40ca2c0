"""Inkhouse as the bench uses it: projects, the pretended shop, builds and their events."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import measure

TOKENS = {
    "shopify": "shpat_sandbox",
    "printify": "pat_sandbox",
    "printful": "pf_sandbox",
    "stripe": "rk_test_sandbox",
    "meta": "EAAsandbox",
}
MEMORY = "1GB"


def write_project(folder, url="http://127.0.0.1:9"):
    """A project whose sources are the pretended shop at `url`; by default nobody answers there."""
    folder = Path(folder)
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    for vendor, token in TOKENS.items():
        (folder / "secrets" / vendor).write_text(token)
    more = {
        "shopify": 'shop = "inkhouse-sandbox.myshopify.com"\n',
        "printful": "store_id = 4242\n",
        "meta": 'account_id = "act_1001"\nstart_date = "2024-11-01"\n',
    }
    text = f'[warehouse]\nurl = "file://./warehouse"\nmemory = "{MEMORY}"\n\n'
    text += '[shop]\nname = "Bench"\ntime_zone = "America/Los_Angeles"\n'
    for vendor in TOKENS:
        field = "key" if vendor == "stripe" else "token"
        text += f"\n[sources.{vendor}]\n{more.get(vendor, '')}"
        text += f'{field} = {{ file = "secrets/{vendor}" }}\n'
        text += f'base_url = "{url}/{vendor}"\nrate_limit = false\n'
    (folder / "inkhouse.toml").write_text(text)


class Inkhouse:
    """The binary and one project."""

    def __init__(self, binary, project):
        self.binary = str(binary)
        self.project = Path(project)

    def run(self, *words, timeout, **more):
        command = [self.binary, "--project", self.project, *words]
        return measure.run(command, timeout, **more)

    def query(self, sql, timeout=600):
        """Rows as objects, one by one. Decimals come as text: they are money."""
        file = self.project / ".bench.sql"
        file.write_text(sql)
        done = self.run("query", "--format", "json", "-f", file, timeout=timeout)
        file.unlink()
        return (json.loads(line, parse_float=str) for line in done.out.splitlines())

    def build(self, select, now, timeout, check=True):
        """A build; its events are in the run's output, see `summary`."""
        return self.run("--now", now, "--json", "build", *select, timeout=timeout, check=check)

    def copy(self, folder):
        """The project as it is now, at another place.

        Tables are linked, not copied: every file of a warehouse is written once and never changed.
        """
        folder = Path(folder)
        remove(folder)
        tables = self.project / "warehouse"
        apart = shutil.ignore_patterns("warehouse", "changes")
        shutil.copytree(self.project, folder, ignore=apart)
        if tables.exists():
            shutil.copytree(tables, folder / "warehouse", copy_function=link)
        return Inkhouse(self.binary, folder)


def link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def remove(folder):
    if Path(folder).exists():
        shutil.rmtree(folder)


def events(run, name):
    """The events of that name that a command with `--json` told."""
    told = (json.loads(line) for line in run.out.splitlines() if line.startswith("{"))
    return [event for event in told if event.get("event") == name]


def summary(run):
    """What a build's events say: models by status and by way, rows read; `None` where they do not."""
    models = events(run, "model")
    statuses, ways = {}, {}
    for model in models:
        statuses[model["status"]] = statuses.get(model["status"], 0) + 1
        if model.get("way"):
            ways[model["way"]] = ways.get(model["way"], 0) + 1
    known = [model["rows_read"] for model in models if model.get("rows_read") is not None]
    kept = ("name", "status", "way", "rows", "rows_read", "milliseconds")
    return {
        "models": [{name: model.get(name) for name in kept} for model in models],
        "statuses": statuses,
        "ways": ways or None,
        "rows_read": sum(known) if known else None,
        "rows_written": sum(m.get("rows") or 0 for m in models if m["status"] == "built"),
    }


@contextlib.contextmanager
def sandbox(binary, orders, seed, log):
    """The pretended shop on a free port of this machine, for as long as the block lasts."""
    command = [binary, "--json", "sandbox", "--no-limits"]
    command += ["--orders", str(orders), "--seed", str(seed)]
    with open(log, "wb") as err:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err)
    try:
        line = child.stdout.readline()
        if not line:
            raise measure.Failed(f"the sandbox did not start: {Path(log).read_text()}")
        yield json.loads(line)["base_url"].rsplit("/", 1)[0]
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


def live_files(table):
    """The Parquet files that are a Delta table now, by its log. (Inkhouse never cleans a log.)"""
    table = Path(table)
    live = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = True
            elif "remove" in action:
                live.pop(action["remove"]["path"], None)
    return [table / path for path in live]

