#!/usr/bin/env python3
"""Checks packaging/kubernetes: each resource against the schema of its kind, without a cluster, and the names that they
have of one another.

The schemas come with a Python package, which is installed below .build; everything else is read from the files.
"""
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "packaging/kubernetes"
PLACE = ROOT / ".build/kubernetes-validate"
REQUIREMENTS = ["kubernetes-validate==1.37.0", "PyYAML==6.0.4"]


def inside_environment() -> None:
    """Goes on in a virtual environment that has what is needed."""
    python = PLACE / "bin/python"
    if Path(sys.prefix) == PLACE:
        return
    if not (PLACE / "done").exists():
        venv.create(PLACE, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        (PLACE / "done").touch()
    sys.exit(subprocess.run([python, __file__]).returncode)


inside_environment()

import kubernetes_validate  # noqa: E402
import yaml  # noqa: E402

# Kinds of Kubernetes itself; those of operators have no schema here.
FOREIGN = {"PodMonitor", "Kustomization"}


def documents() -> dict[str, dict]:
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    files = kustomization["resources"]
    resources = {"Kustomization": kustomization}
    for file in files:
        resource = yaml.safe_load((BASE / file).read_text())
        resources[resource["kind"]] = resource
    for other in BASE.glob("*.yaml"):
        assert other.name in [*files, "kustomization.yaml", "tunnels.yaml"], f"{other.name} is in no list"
    return resources


def validate(resource: dict) -> None:
    kubernetes_validate.validate(resource, "1.37", strict=True)


resources = documents()
for kind, resource in resources.items():
    if kind not in FOREIGN:
        validate(resource)
        print(f"{kind}: as its schema says")

# The check can fail.
broken = yaml.safe_load((BASE / "deployment.yaml").read_text())
broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
try:
    validate(broken)
except kubernetes_validate.ValidationError:
    pass
else:
    sys.exit("a key that does not exist is not noticed")

pod = resources["Deployment"]["spec"]["template"]
labels = pod["metadata"]["labels"]
container = pod["spec"]["containers"][0]
ports = {port["name"] for port in container["ports"]}
volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
generated = {
    entry["name"]: entry["files"]
    for kind in ("configMapGenerator", "secretGenerator")
    for entry in resources["Kustomization"][kind]
}

assert resources["Deployment"]["spec"]["selector"]["matchLabels"] == labels
assert resources["Service"]["spec"]["selector"] == labels
assert resources["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
assert {port["targetPort"] for port in resources["Service"]["spec"]["ports"]} <= ports
assert {end["port"] for end in resources["PodMonitor"]["spec"]["podMetricsEndpoints"]} <= ports
assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
assert volumes["manifest"]["configMap"]["name"] in generated
assert volumes["keys"]["secret"]["secretName"] in generated
assert volumes["state"]["persistentVolumeClaim"]["claimName"] == resources["PersistentVolumeClaim"]["metadata"]["name"]
for files in generated.values():
    for file in files:
        assert (BASE / file).exists(), file
# An edit reaches the daemon only through a name that stays and a directory that is mounted whole.
assert resources["Kustomization"]["generatorOptions"]["disableNameSuffixHash"]
assert not any("subPath" in mount for mount in container["volumeMounts"])
print("names, labels, ports and volumes fit")
