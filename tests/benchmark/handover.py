#!/usr/bin/env python3
"""How long the API is away while one dumb-server replaces another (SIGUSR2).

    handover.py DUMB-SERVER DUMB-TEST-CHILD [CHILDREN [HANDOVERS]]

Runs a server with CHILDREN services that write lines (10), has it replace itself HANDOVERS times (10) and asks
all the while, one request after the other. Prints the longest time without an answer of each handover; exit
status 1 when one was longer than 200 ms or a request failed.
"""
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import adopt  # noqa: E402  (beside this file)

MOST = 200  # ms


def document(child, children):
    services = {"dumb": {"frontend": {"enabled": False}, "log_size": "0"}}
    for i in range(children):
        name = f"writer{i}"
        services[name] = {"enabled": True, "process_name": name, "suppress_logging": True, "config_dir": "/",
                          "log_file": f"/log/{name}.log",
                          "command": [child, "--pace", "100", "--numbers", "1000000000"]}
    return services


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    server_path, child = sys.argv[1:3]
    children = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    handovers = int(sys.argv[4]) if len(sys.argv) > 4 else 10
    gaps, failures = [], []
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        Path(root, "config").mkdir()
        Path(root, "config/dumb_config.json").write_text(json.dumps(document(child, children)))
        server = adopt.Server(server_path, root)
        try:
            for i in range(children):
                while server.status(f"writer{i}")["state"] != "running":
                    time.sleep(0.01)
            for _ in range(handovers):
                gap, failed, _ = adopt.handover(server)
                gaps.append(gap)
                if failed:
                    failures.append(failed)
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()
    print("longest time without an answer, ms:", " ".join(f"{gap:.1f}" for gap in gaps))
    print(f"median {sorted(gaps)[len(gaps) // 2]:.1f}, most {max(gaps):.1f}, bar {MOST}; failed requests: {failures or 0}")
    return 1 if failures or max(gaps) > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
