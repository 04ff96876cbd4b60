"""Custom resources against the models that PyPI has of their definitions: check-custom-resources.py FILE.json

The models ignore fields that they do not know, as a cluster would drop them: what does not come back out of a model is told, too.
"""

import json
import sys

from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

MODELS = {
    "keda.sh/v1alpha1 ScaledObject": ScaledObject,
    "monitoring.coreos.com/v1 ServiceMonitor": ServiceMonitor,
}


def dropped(given, taken, at):
    """Places of `given` that `taken` lacks."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for key, value in given.items():
            if key not in taken:
                yield f"{at}.{key}: not a field"
            else:
                yield from dropped(value, taken[key], f"{at}.{key}")
    elif isinstance(given, list) and isinstance(taken, list):
        for index, (one, other) in enumerate(zip(given, taken)):
            yield from dropped(one, other, f"{at}[{index}]")


def problems(document):
    kind = f"{document['apiVersion']} {document['kind']}"
    model = MODELS.get(kind)
    if model is None:
        return [f"{kind}: no schema is known"]
    try:
        taken = model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValueError as error:
        return [f"{kind}: {error}"]
    return list(dropped(document, taken, kind))


with open(sys.argv[1], encoding="utf-8") as file:
    found = [f"{each['name']}: {problem}" for each in json.load(file) for problem in problems(each["document"])]
print("\n".join(found), end="\n" if found else "")
sys.exit(1 if found else 0)
