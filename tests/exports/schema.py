"""Is what comes on stdin, as JSON, a bootstrap that Envoy's published API knows? Every field, and every
message that is named by its type, must be one of it. Prints why not, and ends with 1."""

import importlib
import json
import pkgutil
import sys

from google.protobuf import json_format

from envoy.config.bootstrap.v3 import bootstrap_pb2


def named(value):
    """The types of all messages that are named."""
    if isinstance(value, dict):
        if "@type" in value:
            yield value["@type"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from named(part)


def load(kind):
    """A message is known where its module was loaded."""
    package = kind.rpartition("/")[2].rpartition(".")[0]
    try:
        folder = importlib.import_module(package)
    except ImportError:
        return  # no such message: the parser says so
    for module in pkgutil.iter_modules(folder.__path__, package + "."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


document = json.load(sys.stdin)
for kind in named(document):
    load(kind)
try:
    json_format.ParseDict(document, bootstrap_pb2.Bootstrap(), ignore_unknown_fields=False)
except json_format.ParseError as error:
    sys.exit(str(error))
