#!/usr/bin/env python3
"""The usual way to repair a tree of links, as a floor for dumb-bench-symlinks: one thread, everything in lists.

  symlinks_usual.py ROOT FROM TO      a dry run; prints the links found and those that match

Walks the tree classifying each name by following it, stats each name again without following, reads each link, tests
the prefix, and keeps all records in memory.
"""

import os
import sys


def main():
    root, old, new = sys.argv[1:]
    names = []
    for directory, below, files in os.walk(root):
        for name in below + files:
            path = os.path.join(directory, name)
            os.lstat(path)
            if os.path.islink(path):
                names.append(path)
    changes = []
    for path in names:
        target = os.readlink(path)
        if target == old or target.startswith(old + "/"):
            changes.append({"link_path": path, "old_target": target, "new_target": new + target[len(old):]})
    print(len(names), len(changes))


if __name__ == "__main__":
    main()
