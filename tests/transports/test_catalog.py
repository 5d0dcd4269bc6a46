import subprocess
import sys

import pytest

from edge import spec
from edge.desired import link_problem
from edge.options import describe
from edge.registry import Device, Kind, kinds
from transports import catalog

KINDS = [value for value in vars(catalog).values() if isinstance(value, Kind)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


def test_every_kind_is_installed(kind):
    assert kinds()[kind.name] is kind


def test_a_kind_has_a_specification_a_label_and_a_sentence(kind):
    assert kind.scope_type in spec.SCOPES
    assert kind.label
    assert kind.help.endswith(".")


def test_the_example_of_a_link_is_a_link(kind):
    assert link_problem(kind, kind.link_example) == ""


def test_a_server_can_be_built_with_the_defaults(kind):
    options = kind.options_type()()
    server = kind.build(Device(name="test", link=kind.link_example, options=options, state={}))
    assert server.serve
    assert server.counters() is not None


def test_each_option_is_explained(kind):
    for field in describe(kind.options_type()):
        assert field.label
        assert field.problem(field.default) == ""


def test_what_a_kind_transmits_is_guarded():
    assert {kind.name for kind in KINDS if not kind.radio} == {"mqtt"}


def test_listing_the_kinds_imports_no_library():
    code = (
        "import sys, transports.catalog\n"
        "from edge import registry\n"
        "assert [kind.options_type() for kind in registry.kinds().values()]\n"
        "print([name for name in ('serial', 'serial_asyncio', 'aiomqtt', 'aprslib', 'django') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[]\n"
