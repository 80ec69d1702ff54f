#!/usr/bin/env python3
"""How long a status request takes while links are repaired [SYM-90].

  tests/benchmark/symlinks_status.py [--server build/release/bin/dumb-server] [--links 500000] [--scratch DIR]

Makes a tree of links, 25 in a directory, starts dumb-server over it, posts a real repair as a job, and asks
GET /process/symlink-job-status over one connection, 200 times a second, until the job is over. Prints percentiles of
the answers' times, in the stages of the job and in all, and the same for GET /process/jobs. The exit status is 1 when
99 % of the answers took longer than --limit.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def fail(text):
    sys.exit(f"symlinks_status: {text}")


def make_tree(root, links):
    for number in range(0, links, 25):
        directory = root / "media" / "l" / f"{number // 25000}" / f"{number // 25}"
        directory.mkdir(parents=True)
        for link in range(number, min(number + 25, links)):
            os.symlink(f"/mnt/old/a folder of some length/and a name that is longer than sixty bytes {link}",
                       directory / f"a link with a name of forty-five bytes {link:07}.mkv")


def percentile(times, share):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def show(what, times):
    if times:
        print(f"{what:28} {len(times):6} answers  median {percentile(times, 0.5):6.2f} ms  "
              f"99 % {percentile(times, 0.99):6.2f} ms  longest {max(times) * 1000:6.2f} ms")


def measure(port, links):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(method, target, body=None):
        begun = time.perf_counter()
        connection.request(method, target, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - begun
        if answer.status != 200:
            fail(f"{target}: {answer.status} {text[:200]}")
        return json.loads(text), took

    job, _ = call("POST", "/process/symlink-repair-async", {
        "roots": ["/media/l"], "dry_run": False,
        "rewrite_rules": [{"from_prefix": "/mnt/old", "to_prefix": "/mnt/new"}]})
    stages, others = {}, []
    begun = time.monotonic()
    for turn in range(10**9):
        state, took = call("GET", f"/process/symlink-job-status?job_id={job['job_id']}")
        if state["status"] in ("completed", "error"):
            break
        stages.setdefault((state.get("progress") or {}).get("stage", "queued"), []).append(took)
        if turn % 20 == 0:
            others.append(call("GET", "/process/jobs")[1])
        time.sleep(max(0.0, 0.005 - took))
    if state["status"] != "completed" or state["result"]["changed"] != links:
        fail(f"the job ended {state['status']}: {state['error']}")
    print(f"{links:,} links changed in {time.monotonic() - begun:.1f} s")
    for stage, times in stages.items():
        show(f"status while {stage}", times)
    every = [took for times in stages.values() for took in times]
    show("status in all", every)
    show("list of jobs", others)
    return percentile(every, 0.99)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="build/release/bin/dumb-server")
    parser.add_argument("--links", type=int, default=500_000)
    parser.add_argument("--scratch", default=None, help="where the tree is made; default: a temporary directory")
    parser.add_argument("--limit", type=float, default=5, help="milliseconds for 99 % of the answers")
    options = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="dumb-status-", dir=options.scratch))
    server = None
    try:
        make_tree(root, options.links)
        (root / "config").mkdir()
        (root / "config/dumb_config.json").write_text('{"dumb":{"frontend":{"enabled":false}}}')
        server = subprocess.Popen([options.server, "--root", str(root), "--port", "0"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        for line in server.stdout:
            if match := re.search(r"listening on http://[^:]+:(\d+)", line):
                break
        else:
            fail("the server did not start")
        slowest = measure(int(match.group(1)), options.links)
        if slowest > options.limit:
            fail(f"99 % took up to {slowest:.2f} ms: more than {options.limit} ms")
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            server.communicate()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
