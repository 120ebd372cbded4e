#!/usr/bin/env python3
"""Starts a Prometheus that scrapes one daemon with the alerts of packaging/, and prints what it has read.

prometheus.py DIRECTORY PORT DAEMON:PORT KEYFILE RULES QUERY...: each QUERY has to have the answer 1.
"""
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

directory, port, daemon, key, rules, *queries = sys.argv[1:]
CONFIGURATION = f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: nodepass
    authorization: {{credentials_file: "{key}"}}
    static_configs: [{{targets: ["{daemon}"]}}]
"""
with open(f"{directory}/prometheus.yml", "w", encoding="utf-8") as file:
    file.write(CONFIGURATION)
server = subprocess.Popen(
    [
        "prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]
)


def answer(query):
    """The first value of a query, or None where there is none yet."""
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            result = json.load(response)["data"]["result"]
    except OSError:
        return None
    return float(result[0]["value"][1]) if result else None


try:
    deadline = time.monotonic() + 60
    for query in queries:
        while (value := answer(query)) != 1:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{query}: {value}, not 1")
            time.sleep(0.1)
    print("all as expected")
finally:
    server.terminate()
    server.wait()
