#!/usr/bin/env python3
"""The usual way to care for a tree of links, as a floor for dumb-bench-symlinks: one thread, everything in lists.

  symlinks_usual.py dry ROOT FROM TO            the links found and those that match
  symlinks_usual.py apply ROOT FROM TO RECORD   changes those that match
  symlinks_usual.py backup ROOT MANIFEST        records every link
  symlinks_usual.py compare MANIFEST            what a restore would do
  symlinks_usual.py restore MANIFEST            does it

Walks the tree classifying each name by following it, stats each name again without following, reads each link, tests
the prefix, and keeps all records in memory. To change a link it is removed and made again. Records are written at the
end as indented JSON with sorted keys.
"""

import json
import os
import sys


def links_below(root):
    names = []
    for directory, below, files in os.walk(root):
        for name in below + files:
            path = os.path.join(directory, name)
            os.lstat(path)
            if os.path.islink(path):
                names.append(path)
    return names


def write(path, record):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(record, file, indent=2, sort_keys=True)


def rewrite(root, old, new, record=None):
    changes = []
    names = links_below(root)
    for path in names:
        target = os.readlink(path)
        if target == old or target.startswith(old + "/"):
            changes.append({"link_path": path, "old_target": target, "new_target": new + target[len(old):]})
    if record:
        for change in changes:
            os.unlink(change["link_path"])
            os.symlink(change["new_target"], change["link_path"])
        write(record, {"roots": [root], "changes": changes})
    print(len(names), len(changes))


def backup(root, manifest):
    entries = []
    for path in links_below(root):
        entries.append({"link_path": path, "target": os.readlink(path), "target_exists": os.path.exists(path)})
    write(manifest, {"manifest_type": "symlink_snapshot", "roots": [root], "entries": entries})


def restore(manifest, really):
    with open(manifest, encoding="utf-8") as file:
        entries = json.load(file)["entries"]
    made = []
    for entry in entries:
        path = entry["link_path"]
        target = os.path.normpath(os.path.join(os.path.dirname(path), entry["target"]))
        entry["target_exists"] = os.path.exists(target)  # whether anybody asks or not
        if os.path.lexists(path):
            if os.path.islink(path) and os.readlink(path) == entry["target"]:
                continue
        made.append({"link_path": path, "target": entry["target"]})
        if really:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(entry["target"], path)
    print(len(entries), len(made))


def main():
    command, *rest = sys.argv[1:]
    if command in ("dry", "apply"):
        rewrite(*rest)
    elif command == "backup":
        backup(*rest)
    else:
        restore(rest[0], command == "restore")


if __name__ == "__main__":
    main()
