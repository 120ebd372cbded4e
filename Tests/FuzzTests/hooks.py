"""What a fuzzed request may ask for: nothing but this machine's loopback, and the key stays what it is."""

import atexit
import collections
import hashlib
import json
import os
import pathlib
import re
from urllib.parse import unquote

import schemathesis

LOOPBACK = "127.0.0.1"
ADDRESS = re.compile(r":[0-9]{1,5}$")
TUNNEL = re.compile(r"^(client|server)://")
DURATION = re.compile(r"^[0-9]")
LABEL_BYTES = 256
URL_LENGTH = 8192
HARMLESS_IN_YAML = ("Incorrect type", "Non-unique items", "violates `anyOf`")
# Kept from a generated query of a URL: a few words that every reader takes.
QUERIES = [
    "mode=1",
    "mode=1&log=debug",
    "mode=1&rate=10&slot=5",
    "mode=1&noudp=1",
    "mode=1&proxy=1&unknown=%20x",
    "mode=2&min=1&max=2",
    "mode=0&read=1s&block=1",
    "",
]


KEY_ROW = "********"

# How often each operation had each status.
statuses = collections.defaultdict(collections.Counter)
# The newest tunnels there are.
tunnels = collections.deque(maxlen=20)


@atexit.register
def tell_statuses():
    pathlib.Path(os.environ["NODEPASS_FUZZ_STATUSES"]).write_text(json.dumps(statuses))


@schemathesis.hook
def after_call(context, case, response):
    operation = operation_of(case)
    if response.request.method.lower() == case.operation.method.lower():
        statuses[operation][response.status_code] += 1
    if operation == "createInstance" and response.status_code == 201:
        tunnels.append(response.json()["id"])


def operation_of(case):
    return case.operation.definition.raw["operationId"]


def number(text, limit):
    """One of so many, always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big") % limit


def address(text):
    return f"{LOOPBACK}:{20000 + number(text, 2000)}"


def tunnel_url(text):
    scheme = text.split("://")[0]
    url = f"{scheme}://key@{address(text)}/{address(text + 'target')}?{QUERIES[number(text, len(QUERIES))]}"
    # One that was too long still is.
    return url + "&long=" + "x" * len(text) if len(text) > URL_LENGTH else url


def is_negative(case):
    return case.meta is not None and case.meta.generation.mode.is_negative


def is_in(phase, case):
    return case.meta is not None and case.meta.phase.name.value == phase


def tame_addresses(value, name=None):
    """Whatever the daemon could take for an address or a tunnel is one of loopback; the rest stays as it is."""
    if isinstance(value, dict):
        return {key: tame_addresses(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [tame_addresses(item, name) for item in value]
    if isinstance(value, str):
        if TUNNEL.match(value):
            return tunnel_url(value)
        if ADDRESS.search(value) and name in ("tunnel", "target"):
            return address(value)
        if name == "dial":
            return "auto"
        if name in ("certificate", "key"):
            return value.replace("/", "")
    return value


def valid_spec(spec):
    """Rules between the keys of a spec stand in no schema: a valid one has a few of those that always fit."""
    text = repr(sorted(spec.items(), key=lambda item: item[0]))
    kept = {key: spec[key] for key in ("log", "state", "proxyProtocol", "block") if key in spec}
    role = ["client", "server"][number(text, 2)]
    mode = {"client": "single", "server": "reverse"}[role]
    return {"role": role, "tunnel": address(text), "target": address(text + "target"), "mode": mode} | kept


def shortened(value):
    """JSON Schema counts characters, the limit of a label is one of bytes."""
    if isinstance(value, dict):
        return {shortened(key): shortened(item) for key, item in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")[:LABEL_BYTES].decode("utf-8", "ignore")
    return value


def tame_body(case):
    body = case.body
    if not isinstance(body, dict):
        return body
    body = dict(body)
    if not is_negative(case):
        if isinstance(body.get("spec"), dict):
            body["spec"] = valid_spec(body["spec"])
        for key in ("alias", "meta"):
            if key in body:
                body[key] = shortened(body[key])
    return tame_addresses(body)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # After ten wrong keys in a minute an address gets 429 for the next one, which is no less of a refusal than 401.
    if type(failure).__name__ == "IgnoredAuth" and "got `429 " in failure.message:
        return False
    # What nobody asks for is ignored, as NodePass does.
    if type(failure).__name__ == "AcceptedNegativeData" and "in query - object with unexpected" in failure.message:
        return False
    if type(failure).__name__ == "AcceptedNegativeData" and operation_of(case) == "plan":
        # References of a request stay texts, and so does a list that has one.
        if "${" in repr(case.body):
            return False
        # An invalid tunnel is in the plan's diagnostics, and the others are planned.
        if any(diagnostic["severity"] == "error" for diagnostic in response.json()["diagnostics"]):
            return False
        # In YAML 5 and false are texts where a text is wanted, and a word said twice is said; the schema is stricter, for
        # the sake of editors.
        return not any(harmless in failure.message for harmless in HARMLESS_IN_YAML)
    # Rules between the keys of a spec, and what an expiry may be for, stand in no schema.
    if type(failure).__name__ == "RejectedPositiveData":
        has_spec = isinstance(case.body, dict) and "spec" in case.body
        return response.json()["code"] not in (["spec", "ttl"] if has_spec else ["ttl"])
    return True


def tame_identifier(case):
    """Most requests mean a tunnel that is there: what can be done to the key's row, or to none, is soon tried."""
    chance = number(repr((case.path_parameters, case.query, case.body)), 8)
    if tunnels and chance > 1 and not is_negative(case) and is_in("fuzzing", case):
        case.path_parameters["id"] = tunnels[number(repr(case.body), len(tunnels))]
    # A restart of the key's row makes a new key, after which no request would get any further; the API's own tests do it.
    identifier = unquote(str(case.path_parameters["id"]))
    if identifier == KEY_ROW and isinstance(case.body, dict) and case.body.get("action") == "restart":
        case.body = case.body | {"action": "stop"}


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = operation_of(case)
    if operation in ("createInstance", "replaceInstance", "patchInstance", "setInfo"):
        case.body = tame_body(case)
    if "id" in (case.path_parameters or {}):
        tame_identifier(case)
    query = case.query or {}
    # The steps of a scenario build on what the ones before them did, and a dry run does nothing.
    if is_in("stateful", case):
        query.pop("dryRun", None)
    # Files can be named through the socket alone: with one, whatever else is planned is 403.
    if operation == "plan" and number(repr(case.body), 8) > 0:
        query.pop("file", None)
    if operation == "pingTarget" and query.get("target"):
        target = query["target"]
        query["target"] = [address(repr(target))] if isinstance(target, list) else address(repr(target))
    # Tunnels whose other end is missing would let a reconcile wait until its limit.
    if isinstance(query.get("wait"), str) and DURATION.match(query["wait"]) and not is_negative(case):
        query["wait"] = "50ms"
    # Followed logs never end; they are read like the streams are, and only some of them.
    if operation == "getInstanceLog" and query.get("follow") in (True, "true", "1"):
        kwargs["timeout"] = 1.5
        if number(repr(query), 4) > 0:
            query["follow"] = "false"
