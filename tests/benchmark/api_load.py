#!/usr/bin/env python3
"""What an answer of the API costs, against nginx, and how long it takes while services log.

  tests/benchmark/api_load.py [--build build/release] [--seconds 10] [--runs 3] [--services 50]

Needs wrk and nginx (Debian: wrk, nginx-light) and a release build with -DDUMB_BUILD_BENCHMARKS=ON. Starts a stack of
services that sleep, asks GET /process/service-status over 32 connections with wrk, and counts requests per second of
CPU time that the server's process used, from /proc/PID/stat. nginx answers `return 200` with a body and header fields
of the same size in the same run, alternately. Then the services of a second stack print 20 lines a second each, and
1,000 requests a second are made: their latencies come from dumb-bench-api-rate.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TARGET = "/process/service-status?process_name=Service%207"


def fail(text):
    sys.exit(f"api_load: {text}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(port, target):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), body


def until(what, condition, limit=60):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.05)
    fail(f"{what}: not within {limit} s")


def processes_of(pid):
    """A process and its children: nginx has a worker."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Stack:
    """A server over a root of its own, with services that do what `command` says."""

    def __init__(self, server, scratch, services, command):
        self.port = free_port()
        root = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        root.chmod(0o755)
        (root / "config").mkdir()
        user = 1000 if os.geteuid() == 0 else os.geteuid()
        document = {"puid": user, "pgid": user,
                    "dumb": {"frontend": {"enabled": False}, "api_service": {"port": self.port}}}
        for number in range(services):
            document[f"service{number}"] = {"enabled": True, "process_name": f"Service {number}", "command": command}
        (root / "config/dumb_config.json").write_text(json.dumps(document))
        self.process = subprocess.Popen([server, "--root", str(root)], stdout=subprocess.DEVNULL)
        names = [f"Service%20{number}" for number in range(services)]
        until("services run", lambda: all(
            b'"running"' in get(self.port, f"/process/service-status?process_name={name}")[2] for name in names))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            fail("dumb-server did not end well")


class Nginx:
    """One worker that answers with the same header fields and body."""

    def __init__(self, program, scratch, headers, body):
        self.port = free_port()
        folder = tempfile.mkdtemp(dir=scratch)
        # Server, Date, Content-Type, Content-Length and Connection are nginx's own.
        own = {"server", "date", "content-type", "content-length", "connection"}
        fields = "\n".join(f"      add_header {name} '{value}';" for name, value in headers if name.lower() not in own)
        content_type = dict((name.lower(), value) for name, value in headers)["content-type"]
        text = body.decode().replace("\\", "\\\\").replace("'", "\\'")
        configuration = pathlib.Path(folder, "nginx.conf")
        configuration.write_text(f"""
daemon off; pid {folder}/pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 100000000; default_type {content_type};
  server {{ listen 127.0.0.1:{self.port}; location / {{
{fields}
      return 200 '{text}';
  }} }}
}}
""")
        self.process = subprocess.Popen([program, "-p", folder, "-c", str(configuration)])
        until("nginx", lambda: get(self.port, "/")[0] == 200)
        if get(self.port, "/")[2] != body:
            fail("nginx answers something else")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def load(port, pids, seconds):
    """Requests per CPU second of the processes, and requests per second."""
    before = cpu_seconds(pids)
    out = subprocess.run(["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{port}{TARGET}"], check=True,
                         capture_output=True, text=True).stdout
    used = cpu_seconds(pids) - before
    found = re.search(r"(\d+) requests in ([\d.]+)(s|m)", out)
    if found is None or "Non-2xx" in out or "Socket errors" in out:
        fail(out)
    return int(found[1]) / used, int(found[1]) / seconds


def measure_cost(options, server, nginx_program, scratch):
    with contextlib.ExitStack() as running:
        stack = Stack(server, scratch, options.services, [f"{scratch}/dumb-bench-stub"])
        running.callback(stack.stop)
        _, headers, body = get(stack.port, TARGET)
        nginx = Nginx(nginx_program, scratch, headers, body)
        running.callback(nginx.stop)
        ratios = []
        print(f"GET {TARGET}: body of {len(body)} bytes, wrk with 32 connections")
        print("  run   dumb-server, per CPU s (per s)      nginx, per CPU s (per s)   ratio")
        for run in range(1, options.runs + 1):
            own, own_rate = load(stack.port, [stack.process.pid], options.seconds)
            peer, peer_rate = load(nginx.port, processes_of(nginx.process.pid), options.seconds)
            ratios.append(own / peer)
            print(f"  {run:3}   {own:15,.0f} ({own_rate:8,.0f})   {peer:19,.0f} ({peer_rate:8,.0f})   {own / peer:5.2f}",
                  flush=True)
        print(f"  median ratio {statistics.median(ratios):.2f} (bar: at least 0.60)")


def measure_latency(options, server, client, scratch):
    stack = Stack(server, scratch, options.services, [f"{scratch}/dumb-bench-line", "--rate", "20", "100"])
    try:
        for _ in range(options.runs):
            out = subprocess.run([client, str(stack.port), TARGET, "1000", str(options.seconds)], check=True,
                                 capture_output=True, text=True).stdout
            print(f"{options.services} services log 20 lines/s each: {out.strip()} (ms; bar: p99 below 2)", flush=True)
    finally:
        stack.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--services", type=int, default=50)
    options = parser.parse_args()
    nginx_program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if shutil.which("wrk") is None or nginx_program is None:
        fail("wrk and nginx are needed (apt-get install wrk nginx-light)")
    build = pathlib.Path(options.build).resolve() / "bin"
    for name in ("dumb-server", "dumb-bench-stub", "dumb-bench-line", "dumb-bench-api-rate"):
        if not (build / name).exists():
            fail(f"{build / name} is missing")

    with tempfile.TemporaryDirectory(prefix="dumb-bench.") as scratch:
        os.chmod(scratch, 0o755)
        for name in ("dumb-bench-stub", "dumb-bench-line"):  # where the services' user may read them
            shutil.copy(build / name, scratch)
        measure_cost(options, str(build / "dumb-server"), nginx_program, scratch)
        measure_latency(options, str(build / "dumb-server"), build / "dumb-bench-api-rate", scratch)


if __name__ == "__main__":
    main()
