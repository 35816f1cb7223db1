"""Reads a stream over crashes of the server and of this program: it goes on after the last message that it has handled.

python.py ws://localhost:8080/ FILE    (pip install certstream)
"""

import os
import sys
import time

from certstream.core import CertStreamClient

url, file = sys.argv[1], sys.argv[2]


def load():
    try:
        with open(file) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def save(cursor):
    with open(file + ".new", "w") as f:
        f.write(cursor)
    os.replace(file + ".new", file)  # whole, or not at all


def on_message(message, context):
    data = message.get("data") or {}
    if message["message_type"] == "certificate_update":
        print(data["source"]["url"], data["cert_index"], *data["leaf_cert"]["all_domains"], flush=True)
    elif message["message_type"] == "gap":
        print("missed", data["missed"], data["reason"], file=sys.stderr, flush=True)
    cursor = message.get("cursor") or data.get("to")  # a gap ends at "to"
    if cursor:
        save(cursor)


while True:  # listen_for_events would connect to the first address again
    since = load()
    client = CertStreamClient(on_message, f"{url}?since={since}" if since else url, skip_heartbeats=False)
    client.run_forever(ping_interval=15, ping_timeout=10)
    time.sleep(1)
