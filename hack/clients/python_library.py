"""Prints the names of N certificates that the certstream library calls back with."""

import os
import sys

import certstream

url, wanted = sys.argv[1], int(sys.argv[2])
seen = 0


def on_message(message, context):
    global seen
    if message["message_type"] != "certificate_update":
        return
    leaf = message["data"]["leaf_cert"]
    if not leaf["all_domains"]:
        return
    chain = message["data"].get("chain")
    print(leaf["all_domains"][0], "|", leaf["issuer"]["O"], "|", message["data"]["source"]["name"],
          "" if chain is None else f"| chain of {len(chain)}", flush=True)
    seen += 1
    if seen == wanted:
        os._exit(0)  # the library connects again whatever else is raised here


def on_error(exception):
    print(f"error: {exception!r}", flush=True)
    os._exit(1)


certstream.listen_for_events(on_message, url=url, on_error=on_error)
