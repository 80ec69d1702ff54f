#!/usr/bin/env python3
"""Kills dumb-server at random moments while its children write in bursts, and counts what is missing.

  adopt.py DUMB-SERVER DUMB-TEST-CHILD [--rounds 200] [--children 10] [--seed N] [--rotate] [--handovers 1]

Each child writes numbered lines into its own log file. After the last round every number must be there exactly
once and in order, every child must have been started once, and each must still be the same process. Also told:
how long the API was away in handovers by SIGUSR2 under load. Ends with status 1 when anything was lost, doubled
or started twice.
"""
import argparse
import glob
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


class Server:
    def __init__(self, program, root, port=0):
        self.process = subprocess.Popen([program, "--root", root, "--port", str(port)], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env={"PATH": "/usr/bin:/bin", "HOME": root})
        self.port = None
        for line in self.process.stdout:
            found = re.search(rb"listening on http://[^ ]*:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise SystemExit("dumb-server does not listen")
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        for _ in self.process.stdout:
            pass

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def status(self, name):
        return self.get(f"/process/service-status?process_name={name}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def log_files(root, slug):
    """Oldest first: of a day, the one with the highest number."""
    base = os.path.join(root, "log", slug)
    rotated = [(m.group(1), -int(m.group(2)), f) for f in glob.glob(base + "-*.log")
               if (m := re.search(r"-(\d{4}-\d\d-\d\d)_(\d+)\.log$", f))]
    return [f for _, _, f in sorted(rotated)] + [base + ".log"]


def end_of(name):
    try:
        with open(name, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 300))
            return file.read()
    except FileNotFoundError:  # it is rotated just now
        return b""


def count(root, slug):
    """lines, missing, doubled or out of order, what the child itself counted"""
    expected, missing, wrong, lines, last = 1, 0, 0, 0, None
    for name in log_files(root, slug):
        with open(name, errors="replace") as text:
            for line in text:
                if (found := re.search(r": number (\d+)$", line)):
                    number = int(found.group(1))
                    lines += 1
                    if number > expected:
                        missing += number - expected
                    if number < expected:
                        wrong += 1
                    else:
                        expected = number + 1
                elif (found := re.search(r": the last was (\d+)$", line)):
                    last = int(found.group(1))
                elif "subprocess:" in line:
                    wrong += 1  # a line that was cut
    if last is None:
        missing += 1
    else:
        missing += max(0, last - (expected - 1))
    return lines, missing, wrong, last


def handover(server):
    """The longest time without an answer, and failed requests, while the program replaces itself."""
    over, longest, failed, answered = threading.Event(), [0.0], [0], [0]

    def hammer():
        before = time.monotonic()
        while not over.is_set():
            try:
                server.get("/health")
                answered[0] += 1
            except Exception:
                failed[0] += 1
            now = time.monotonic()
            longest[0] = max(longest[0], now - before)
            before = now

    thread = threading.Thread(target=hammer)
    thread.start()
    time.sleep(0.3)
    server.process.send_signal(signal.SIGUSR2)
    time.sleep(1.5)
    over.set()
    thread.join()
    return longest[0] * 1000, failed[0], answered[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("child")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--children", type=int, default=10)
    parser.add_argument("--longest", type=float, default=0.3, help="seconds a server lives at most")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--handovers", type=int, default=1)
    parser.add_argument("--rotate", action="store_true", help="rotate log files at 1 MiB and keep all")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    draw = random.Random(seed)
    slugs = [f"writer{number}" for number in range(options.children)]
    span = int(options.rounds * (options.longest / 2 + 0.2) * 1000) + 4000 + options.handovers * 2000
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        notes = os.path.join(root, "notes")
        os.mkdir(notes)
        os.chmod(notes, 0o777)
        document = {"dumb": {"frontend": {"enabled": False}, "log_size": "0"}}
        if options.rotate:
            document["dumb"].update({"log_size": "1M", "log_count": 1000000})
        for slug in slugs:
            document[slug] = {"enabled": True, "process_name": slug, "suppress_logging": True,
                              "log_file": f"/log/{slug}.log", "config_dir": "/",
                              "command": [options.child, "--note", os.path.join(notes, slug), "--pace",
                                          "2" if slug == slugs[0] else "100", "--numbers", str(span)]}
        os.mkdir(os.path.join(root, "config"))
        with open(os.path.join(root, "config/dumb_config.json"), "w") as file:
            json.dump(document, file)
        server = Server(options.server, root)
        try:
            pids = {}
            for slug in slugs:
                while slug not in pids:
                    status = server.status(slug)
                    if status["state"] == "running":
                        pids[slug] = status["pid"]
                    time.sleep(0.01)
            for _ in range(options.rounds):
                time.sleep(draw.random() * options.longest)
                server.kill()
                server = Server(options.server, root)
            lost = sum(1 for slug in slugs if server.status(slug)["pid"] != pids[slug])
            twice = 0
            for slug in slugs:
                with open(os.path.join(notes, slug)) as file:
                    twice += len(file.readlines()) - 1
            told = [handover(server) for _ in range(options.handovers)]
            for slug in slugs:
                while b"the last was" not in end_of(log_files(root, slug)[-1]):
                    time.sleep(0.1)
            totals = [count(root, slug) for slug in slugs]
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()
    lines = sum(total[0] for total in totals)
    missing = sum(total[1] for total in totals)
    wrong = sum(total[2] for total in totals)
    print(f"seed {seed}, {options.rounds} kills, {options.children} children, {lines} lines")
    print(f"children lost {lost}, started twice {twice}, lines lost {missing}, doubled or torn {wrong}")
    gaps = sorted(gap for gap, _, _ in told)
    failed = sum(entry[1] for entry in told)
    answered = sum(entry[2] for entry in told)
    if gaps:
        print(f"{len(gaps)} x SIGUSR2 under load: longest time of an answer {gaps[len(gaps) // 2]:.1f} ms (median), "
              f"{gaps[-1]:.1f} ms (most), failed requests {failed} of {answered + failed}")
    return 1 if lost or twice or missing or wrong or failed else 0


if __name__ == "__main__":
    sys.exit(main())
