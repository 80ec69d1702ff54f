#!/usr/bin/env python3
"""Runs what README.md shows.

Every fenced block must follow a comment that says how it is proved, `<!-- run: KIND -->`:

  suite         `tests/run`, which runs this program; the summary it shows is the one ctest prints
  quickstart    `examples/quickstart ...`; run only with --quickstart, because it builds and takes its time
  stack         commands for the sample stack, run in order against one that this program starts
  embed-source  the text of examples/embed/main.cpp
  embed-build   a CMakeLists.txt that builds that text against the installed package
  embed-output  the command that runs it

In a block with commands, a line that begins with "$ " is a command and the lines below it are its output. Output is
compared line by line: a number, duration, month or scratch directory stands for any other, runs of blanks are one
blank, "..." stands for anything, and a line that is only "..." for any number of lines.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

FENCE = re.compile(r"(?:<!-- run: (?P<kind>[a-z-]+) -->\n)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
                   re.MULTILINE | re.DOTALL)
KINDS = {"suite", "quickstart", "stack", "embed-source", "embed-build", "embed-output"}


class Failure(Exception):
    pass


def blocks(text):
    """(kind, text) of every fenced block."""
    found = []
    for match in FENCE.finditer(text):
        kind = match["kind"]
        if kind not in KINDS:
            line = text.count("\n", 0, match.start("text"))
            raise Failure(f"README.md:{line}: the block does not say how it is proved")
        found.append((kind, match["text"]))
    return found


def commands(text):
    """(command, expected output lines) of a block with commands."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        else:
            raise Failure(f"a block with commands begins with output: {line}")
    return found


def normal(line):
    line = re.sub(r"dumb-(quickstart|readme)\.\w+", "dumb-scratch.X", line)
    line = re.sub(r"\b\d+[dhms](?: \d+[dhms])*\b", "0s", line)
    line = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "Jan", line)
    line = re.sub(r"\d+", "0", line)
    return re.sub(r"\s+", " ", line).strip()


def pattern(expected):
    """One regular expression for the whole expected output."""
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            words = normal(line).split("...")
            parts.append(".*".join(re.escape(word) for word in words) + r"[^\S\n]*\n")
    return re.compile("".join(parts) + r"\Z")


def compare(command, expected, output):
    while expected and not expected[-1].strip():
        expected = expected[:-1]
    got = "".join(normal(line) + "\n" for line in output.rstrip("\n").splitlines())
    if not pattern(expected).match(got):
        raise Failure(f"README.md shows for `{command}`:\n" + "\n".join(expected) + "\n\nbut it prints:\n" + output)


def run(command, cwd, env):
    """Output, both streams, of a shell line that must succeed."""
    result = subprocess.run(["bash", "-c", command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, timeout=900,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"`{command}` ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def run_block(text, cwd, env):
    for command, expected in commands(text):
        print(f"$ {command}", flush=True)
        output = run(command, cwd, env)
        print(output, end="", flush=True)
        compare(command, expected, output)


def service_user():
    """An unprivileged account for the services; see examples/quickstart."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    for account in ("1000", "postgres", "nobody"):
        entry = subprocess.run(["getent", "passwd", account], stdout=subprocess.PIPE, text=True, check=False).stdout
        if entry:
            return int(entry.split(":")[2]), int(entry.split(":")[3])
    raise Failure("no unprivileged account")


class Stack:
    """The sample stack in a scratch root, supervised by dumb-server."""

    def __init__(self, source, binaries):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="dumb-readme.", dir="/tmp"))
        self.root.chmod(0o755)
        user, group = service_user()
        fuse = "fuse" if self.can_mount() else "no-fuse"
        self.complete = fuse == "fuse"
        settings = subprocess.run([source / "examples/media-stack/prepare.py", self.root, str(user), str(group), fuse],
                                  stdout=subprocess.PIPE, text=True, check=True).stdout
        ports = dict(line.split("=") for line in settings.split())
        self.url = f"http://127.0.0.1:{ports['API_PORT']}"
        self.output = open(self.root / "server.log", "wb")
        self.server = subprocess.Popen([binaries / "dumb-server", "--root", self.root], stdin=subprocess.DEVNULL,
                                       stdout=self.output, stderr=subprocess.STDOUT)

    @staticmethod
    def can_mount():
        """Whether this machine lets the stack's mount happen, as far as can be told without trying."""
        try:
            os.close(os.open("/dev/fuse", os.O_RDWR))
        except OSError:
            return False
        if os.geteuid() == 0:
            return True
        try:
            lines = pathlib.Path("/etc/fuse.conf").read_text(encoding="utf-8").split()
        except OSError:
            return False
        return "user_allow_other" in lines

    def wait_healthy(self, names, seconds):
        deadline = time.monotonic() + seconds
        missing = set(names)
        while missing:
            if self.server.poll() is not None:
                raise Failure(f"dumb-server ended with {self.server.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise Failure(f"not healthy after {seconds} s: {sorted(missing)}\n{self.log()}")
            for name in sorted(missing):
                query = urllib.parse.urlencode({"process_name": name, "include_health": "true"})
                try:
                    with urllib.request.urlopen(f"{self.url}/process/service-status?{query}", timeout=5) as reply:
                        if b'"healthy":true' in reply.read().replace(b" ", b""):
                            missing.discard(name)
                except (urllib.error.URLError, OSError):
                    pass
            time.sleep(0.1)

    def log(self):
        return (self.root / "server.log").read_text(encoding="utf-8", errors="replace")[-8000:]

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        status = self.server.wait(timeout=120)
        self.output.close()
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        if status != 0 or str(self.root) in mounts:
            raise Failure(f"dumb-server ended with {status}; mounts left: {str(self.root) in mounts}\n{self.log()}")
        shutil.rmtree(self.root)


def prove_stack(texts, source, binaries):
    stack = Stack(source, binaries)
    try:
        names = ["PostgreSQL", "WebDAV Provider", "Media Server"]
        if stack.complete:
            names.append("rclone w/ Library")
        stack.wait_healthy(names, 120)
        # The commands as a user types them; the scratch stack only has another port and root.
        env = dict(os.environ, PATH=f"{binaries}:{os.environ['PATH']}", DUMB_ROOT=str(stack.root), DUMB_URL=stack.url)
        for text in texts:
            if stack.complete:
                run_block(text, stack.root, env)
            else:
                # Without FUSE there is no rclone instance; everything else is run, for its exit status.
                for command, _ in commands(text):
                    print(run(re.sub(r'\s*"rclone w/ library"', "", command), stack.root, env))
    finally:
        stack.stop()


def prove_embed(parts, source, build, scratch):
    text = (source / "examples/embed/main.cpp").read_text(encoding="utf-8")
    if parts["embed-source"] != [text]:
        raise Failure("the program in README.md is not examples/embed/main.cpp")
    shutil.rmtree(scratch, ignore_errors=True)
    project = scratch / "project"
    project.mkdir(parents=True)
    (project / "main.cpp").write_text(text, encoding="utf-8")
    (project / "CMakeLists.txt").write_text(parts["embed-build"][0], encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name != "DESTDIR"}
    run(f"cmake --install {shlex.quote(str(build))} --prefix {shlex.quote(str(scratch / 'prefix'))}", scratch, env)
    run(f"cmake -G Ninja -S . -B build -DCMAKE_PREFIX_PATH={shlex.quote(str(scratch / 'prefix'))} && "
        "cmake --build build", project, env)
    # Its root lies in the directory for temporary files; services of another user must get there.
    with tempfile.TemporaryDirectory(prefix="dumb-readme.", dir="/tmp") as place:
        os.chmod(place, 0o755)
        for text in parts["embed-output"]:
            run_block(text, project, dict(env, TMPDIR=place))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, help="the build directory to test")
    parser.add_argument("--quickstart", action="store_true", help="run only the quickstart blocks")
    options = parser.parse_args()

    parts = {kind: [] for kind in KINDS}
    for kind, text in blocks((options.source / "README.md").read_text(encoding="utf-8")):
        parts[kind].append(text)
    for kind in sorted(KINDS):
        if not parts[kind]:
            raise Failure(f"README.md has no block of kind {kind}")

    if options.quickstart:
        for text in parts["quickstart"]:
            for command, expected in commands(text):
                if command == "examples/quickstart":  # for people: the same without an end
                    continue
                output = run(command, options.source, dict(os.environ))
                print(output, flush=True)
                if "No FUSE:" not in output:
                    compare(command, expected, output)
        return

    for text in parts["suite"]:
        for command, expected in commands(text):
            if not os.access(options.source / shlex.split(command)[0], os.X_OK):
                raise Failure(f"{command} cannot be run")
            if not re.search(r"^100% tests passed, 0 tests failed out of \d+$", "\n".join(expected), re.MULTILINE):
                raise Failure(f"README.md does not show how {command} ends")
    binaries = options.build / "bin"
    prove_stack(parts["stack"], options.source, binaries)
    prove_embed(parts, options.source, options.build, options.build / "tests" / "readme")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"readme: {failure}", file=sys.stderr)
        sys.exit(1)
