#!/usr/bin/env python3
"""Runs a server for a while under kills, API load and log load, and looks for what grows.

  tests/soak.py [--build build/dev] [--minutes 30] [--services 20]

Services print lines all the time and are killed at random: by SIGKILL from outside, or through the API. Each is
started again by its restart policy or by a request. Meanwhile clients ask for everything the API tells. Now and then
all of this rests; then the server's resident memory and its descriptors are counted. The first third is for warming
up. It fails when memory has a slope beyond its noise (and beyond 1 MiB in the whole time), when the number of
descriptors differs between two rests, when a request fails or when a service does not come back.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

RESTS = 24  # how often everything rests to be counted


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def slope(points):
    """Least squares: change per unit of x, and the standard error of it."""
    xs, ys = zip(*points)
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    value = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    residual = sum((y - mean_y - value * (x - mean_x)) ** 2 for x, y in points)
    return value, (residual / max(1, len(points) - 2) / spread) ** 0.5


class Soak:
    def __init__(self, options, scratch):
        self.options = options
        self.port = free_port()
        self.names = [f"Service {number}" for number in range(options.services)]
        self.root = pathlib.Path(scratch, "root")
        self.active = threading.Event()  # cleared while everything rests
        self.done = threading.Event()
        self.counts = {"requests": 0, "kills": 0, "starts": 0, "restarts": 0}
        self.lock = threading.Lock()
        self.busy = 0
        self.faults = []
        self.samples = []
        child = shutil.copy(pathlib.Path(options.build, "bin/dumb-test-child"), scratch)
        (self.root / "config").mkdir(parents=True)
        user = 1000 if os.geteuid() == 0 else os.geteuid()
        document = {"puid": user, "pgid": user, "dumb": {
            "frontend": {"enabled": False}, "log_size": "1M", "api_service": {"port": self.port},
            "auto_restart": {"enabled": True, "restart_on_unhealthy": False, "max_restarts": 1000000,
                             "window_seconds": 10, "backoff_seconds": [0.1], "services": self.names[::2]}}}
        for number, name in enumerate(self.names):
            document[f"service{number}"] = {"enabled": True, "process_name": name,
                                            "command": [child, "--rate", str(5 + 5 * (number % 10))],
                                            "readiness": {"log_line": "line 1"}}
        (self.root / "config/dumb_config.json").write_text(json.dumps(document))
        for path in (scratch, self.root):
            os.chmod(path, 0o755)
        self.server = subprocess.Popen([str(pathlib.Path(options.build, "bin/dumb-server")), "--root", str(self.root)],
                                       stdout=subprocess.DEVNULL)

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def ask(self, method, target, body=None, connection=None):
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        own.request(method, target, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = own.getresponse()
        text = answer.read()
        if connection is None:
            own.close()
        self.count("requests")
        return answer.status, text

    def status(self, name, connection=None):
        target = "/process/service-status?process_name=" + name.replace(" ", "%20")
        status, text = self.ask("GET", target, None, connection)
        if status != 200:
            raise OSError(f"{target}: {status} {text[:200]}")
        return json.loads(text)

    def all_run(self, limit=90):
        end = time.monotonic() + limit
        missing = []
        while time.monotonic() < end:
            try:
                missing = [name for name in self.names if self.status(name)["status"] != "running"]
            except OSError:
                missing = ["the server"]
            if not missing:
                return True
            time.sleep(0.2)
        self.fault(f"does not run after {limit} s: {', '.join(missing)}")
        return False

    def worker(self, turn):
        """Calls turn(random) again and again, and never while everything rests."""
        source = random.Random(threading.get_ident())
        while not self.done.is_set():
            if not self.active.wait(0.5):
                continue
            with self.lock:
                self.busy += 1
            try:
                turn(source)
            except (OSError, http.client.HTTPException) as error:
                self.fault(f"{turn.__name__}: {error!r}")
            finally:
                with self.lock:
                    self.busy -= 1
            time.sleep(0.01)

    def read_everything(self, source):
        name = source.choice(self.names).replace(" ", "%20")
        targets = [f"/process/service-status?process_name={name}", "/process/processes", "/health",
                   f"/logs?process_name={name}", "/logs?process_name=dumb", "/process/startup-status",
                   f"/process/dependency-graph?process_name={name}", f"/process?process_name={name}", "/config/",
                   "/process/events?limit=50", "/process/startup-plan", "/process/usage", "/nothing/here", "/openapi.json"]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for _ in range(20):
            status, _ = self.ask("GET", source.choice(targets), None, connection)
            if status >= 500:
                raise OSError(f"answered {status}")
        connection.close()

    def kill_one(self, source):
        """SIGKILL to a service from outside, by pidfd and only while it is the server's child."""
        pid = self.status(source.choice(self.names)).get("pid")
        if pid:
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                return
            try:
                parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self.server.pid:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    self.count("kills")
            except (FileNotFoundError, ProcessLookupError):
                pass
            finally:
                os.close(descriptor)
        time.sleep(0.1 * source.random())

    def start_stopped(self, source):
        name = source.choice(self.names)
        if source.random() < 0.1:
            self.ask("POST", "/process/restart-service", {"process_name": name})
            self.count("restarts")
        elif self.status(name)["status"] != "running":
            self.ask("POST", "/process/start-service", {"process_name": name})
            self.count("starts")

    def descriptors(self):
        """What each is, without the numbers that tell one of a kind from another."""
        entries = pathlib.Path(f"/proc/{self.server.pid}/fd").iterdir()
        return sorted(re.sub(r"[0-9]+", "#", os.readlink(entry)) for entry in entries)

    def rest(self, since):
        """Lets everything come to rest, then counts."""
        self.active.clear()
        end = time.monotonic() + 120
        while self.busy and time.monotonic() < end:
            time.sleep(0.05)
        for name in self.names:  # the policy has its own time; what it does not cover is started here
            if self.status(name)["status"] != "running":
                self.ask("POST", "/process/start-service", {"process_name": name})
        self.all_run()
        number, before = 0, -1
        while number != before and time.monotonic() < end:  # until nothing is under way any more
            before = number
            time.sleep(1.0)
            number = len(self.descriptors())
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
                      .splitlines() if ":" in line)
        self.samples.append((time.monotonic() - since, int(fields["VmRSS"].split()[0]), number, self.descriptors()))
        print(f"  {self.samples[-1][0]:7.0f} s  {self.samples[-1][1]:8} KiB  {number:4} descriptors  "
              f"{fields['Threads'].strip()} threads  {self.counts}", flush=True)

    def run(self):
        if not self.all_run():
            return
        threads = [threading.Thread(target=self.worker, args=(turn,), daemon=True)
                   for turn in (self.read_everything, self.read_everything, self.kill_one, self.start_stopped,
                                self.start_stopped, self.start_stopped)]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        for turn in range(1, RESTS + 1):
            self.active.set()
            due = begin + self.options.minutes * 60 * turn / RESTS
            while time.monotonic() < due and self.server.poll() is None:
                time.sleep(0.2)
            if self.server.poll() is not None:
                self.fault(f"the server ended with {self.server.returncode}")
                break
            self.rest(begin)
        self.done.set()
        for thread in threads:
            thread.join(120)

    def stop(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        try:
            if self.server.wait(120) != 0:
                self.fault(f"the server ended with {self.server.returncode}")
        except subprocess.TimeoutExpired:
            self.fault("the server did not end within 120 s")
            self.server.kill()

    def verdict(self):
        settled = self.samples[len(self.samples) // 3:]
        if len(settled) < 4:
            self.fault("too few samples")
            return
        change, noise = slope([(at, memory) for at, memory, _, _ in settled])
        window = settled[-1][0] - settled[0][0]
        print(f"memory: {change * 60:+.1f} KiB a minute, standard error {noise * 60:.1f}; "
              f"{change * window:+.0f} KiB in {window:.0f} s; from {settled[0][1]} to {settled[-1][1]} KiB")
        if change > 2 * noise and change * window > 1024:
            self.fault("memory grows")
        numbers = {number for _, _, number, _ in settled}
        print(f"descriptors: {', '.join(map(str, sorted(numbers)))}")
        if len(numbers) > 1:
            first, last = settled[0][3], settled[-1][3]
            for target in set(first) | set(last):
                if first.count(target) != last.count(target):
                    print(f"  {target}: {first.count(target)} -> {last.count(target)}")
            self.fault("the number of descriptors changes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/dev")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--services", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dumb-soak.") as scratch:
        soak = Soak(options, scratch)
        try:
            soak.run()
        finally:
            soak.done.set()
            soak.stop()
        soak.verdict()
    for text in soak.faults[:20]:
        print(f"soak: {text}", file=sys.stderr)
    sys.exit(1 if soak.faults else 0)


if __name__ == "__main__":
    main()
