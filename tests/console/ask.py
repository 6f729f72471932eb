"""Writes requests into a state.db, as a supervisor does: ids follow from what is asked for."""

import base64
import hashlib
import json
import sqlite3
import sys
import time

ids = []
state = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
state.execute("BEGIN IMMEDIATE")
for asked in json.load(sys.stdin):
    key = {"connector": asked["connector"], "subject": asked["subject"], "tool": asked.get("tool")}
    key = json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    own = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode()[:10].lower()
    at = int(time.time()) - asked.get("ago", 0)
    latest = json.dumps({"at": at, **asked["latest"]}, ensure_ascii=False)
    state.execute(
        "INSERT INTO requests (id, state, first_at, last_at, times, latest, key)"
        " VALUES (?, 'pending', ?, ?, ?, ?, ?)",
        (own, at - asked.get("span", 0), at, asked.get("times", 1), latest, key),
    )
    state.execute("UPDATE changes SET count = count + 1")
    ids.append(own)
state.execute("COMMIT")
print(json.dumps(ids))
