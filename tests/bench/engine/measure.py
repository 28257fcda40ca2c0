"""Runs a command and says what it cost: wall seconds, CPU seconds, peak memory.

The figures are the operating system's own account of the finished process (wait4), children that it
waited for included; the peak is that of the largest single process, as with `/usr/bin/time -v`.
"""

import dataclasses
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

CORES = 2


@dataclasses.dataclass
class Run:
    """One run of a command."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: int  # bytes
    code: int
    timed_out: bool
    out: str
    err: str

    @property
    def ok(self):
        return self.code == 0 and not self.timed_out


class Failed(Exception):
    """A command that had to succeed did not."""


def pinned(command):
    """On a machine with more cores everybody gets the same two."""
    if (os.cpu_count() or 1) > CORES and shutil.which("taskset"):
        return ["taskset", "-c", f"0-{CORES - 1}", *command]
    return command


def run(command, timeout, cwd=None, env=None, check=True):
    """Runs `command` once. After `timeout` seconds its process group, and nothing else, is ended."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(
            pinned([str(word) for word in command]),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        timed_out = False
        pause = 0.001
        try:
            while True:
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                if pid:
                    break
                if not timed_out and time.monotonic() - began > timeout:
                    timed_out = True
                    os.killpg(child.pid, signal.SIGKILL)
                time.sleep(pause)
                pause = min(pause * 1.2, 0.02)
        except BaseException:
            # Interrupted: nothing is left running, and the child is reaped.
            os.killpg(child.pid, signal.SIGKILL)
            os.wait4(child.pid, 0)
            raise
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        result = Run(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            peak=usage.ru_maxrss * 1024,
            code=child.returncode,
            timed_out=timed_out,
            out=out.read().decode(errors="replace"),
            err=err.read().decode(errors="replace"),
        )
    if check and not result.ok:
        why = f"timed out after {timeout} s" if timed_out else f"ended with {result.code}"
        tail = "\n".join((result.out + result.err).strip().splitlines()[-30:])
        raise Failed(f"`{' '.join(str(w) for w in command)}` {why}\n{tail}")
    return result


@dataclasses.dataclass
class Figure:
    """Several runs of one thing: what a row of the table is made of."""

    runs: list
    note: str = ""

    def spread(self, of):
        values = [of(one) for one in self.runs]
        return statistics.median(values), min(values), max(values)

    def to_json(self):
        if not self.runs:
            return {"runs": 0, "note": self.note}
        named = {"wall": lambda r: r.wall, "cpu": lambda r: r.cpu, "peak": lambda r: r.peak}
        figures = {
            name: dict(zip(("median", "min", "max"), self.spread(of))) for name, of in named.items()
        }
        return {"runs": len(self.runs), "note": self.note, **figures}


def repeat(once, runs, budget, warmup=0, must=True):
    """Calls `once` up to `runs` times, and at least once; no more after `budget` seconds.

    A run that timed out ends it: there is no figure, and the note says so. So does one that failed,
    unless it `must` not.
    """
    done = []
    began = time.monotonic()
    for number in range(warmup + runs):
        result = once()
        if result.timed_out:
            return Figure([], f"did not end within {result.wall:.0f} s")
        if not result.ok:
            tail = (result.out + result.err).strip().splitlines()
            if must:
                raise Failed("\n".join([f"a command ended with {result.code}:", *tail[-30:]]))
            return Figure([], f"failed with {result.code}: {' '.join(tail[-1:])[:160]}")
        slow = time.monotonic() - began > budget
        if number >= warmup or slow:
            done.append(result)
        if slow:
            break
    return Figure(done)


def say(text):
    """A word on stderr about what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)
