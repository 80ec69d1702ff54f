#!/usr/bin/env python3
"""Makes a scratch root for the sample stack.

Usage: prepare.py ROOT PUID PGID fuse|no-fuse

Writes the sample library, the provider's settings and ROOT/config/dumb_config.json: the file beside this program with
free ports and the given user. Prints the ports as NAME=NUMBER lines.
"""

import json
import math
import os
import pathlib
import socket
import struct
import sys
import wave

RATE = 22050


def write_tone(path: pathlib.Path, hertz: float, seconds: float) -> None:
    """A sine as 16-bit mono: small, and any player opens it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = int(RATE * seconds)
    samples = (int(12000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


def free_ports(count: int) -> list:
    """Distinct ports that nothing listens on now: all are held open until all are known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return [held.getsockname()[1] for held in sockets]
    finally:
        for held in sockets:
            held.close()


def main() -> int:
    if len(sys.argv) != 5 or sys.argv[4] not in ("fuse", "no-fuse"):
        print(__doc__, file=sys.stderr)
        return 2
    root = pathlib.Path(sys.argv[1])
    puid, pgid = int(sys.argv[2]), int(sys.argv[3])
    config = json.loads(pathlib.Path(__file__).with_name("dumb_config.json").read_text(encoding="utf-8"))

    config["puid"], config["pgid"] = puid, pgid
    names = ("API_PORT", "POSTGRES_PORT", "PROVIDER_PORT", "MEDIA_PORT")
    ports = dict(zip(names, free_ports(len(names))))
    config["dumb"]["api_service"]["port"] = ports["API_PORT"]
    config["postgres"]["port"] = ports["POSTGRES_PORT"]
    config["provider"]["port"] = ports["PROVIDER_PORT"]
    config["media_server"]["port"] = ports["MEDIA_PORT"]

    if sys.argv[4] == "no-fuse":
        # The media server reads the library itself, beside the provider instead of through it.
        config["rclone"]["instances"]["Library"]["enabled"] = False
        server = config["media_server"]
        server["wait_for_mounts"] = []
        server["config_dir"] = "/provider"
        server["command"] = ["/provider/library" if word == "/mnt/media/library" else word
                             for word in server["command"]]

    library = root / "provider" / "library"
    write_tone(library / "Music" / "Test Tones" / "01 - Concert Pitch.wav", 440.0, 3.0)
    write_tone(library / "Music" / "Test Tones" / "02 - Middle C.wav", 261.63, 2.0)
    (library / "Music" / "Test Tones" / "album.nfo").write_text("Test Tones\n", encoding="utf-8")
    (root / "provider" / "rclone.conf").touch()
    (root / "media-server").mkdir()
    (root / "config").mkdir()
    (root / "config" / "provider.yml").write_text(
        "# Where the provider listens; an rclone instance finds it here.\nport: %d\n" % ports["PROVIDER_PORT"],
        encoding="utf-8")
    (root / "config" / "dumb_config.json").write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")

    if os.geteuid() == 0:
        for directory, _, files in os.walk(root):
            os.chown(directory, puid, pgid)
            for name in files:
                os.chown(os.path.join(directory, name), puid, pgid)

    for name, port in ports.items():
        print(f"{name}={port}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
