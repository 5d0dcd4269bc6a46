"""Consumers for radios, brokers and browsers.

The core of Edge: the written specifications of what travels (`edge.spec`), the consumers that people write
(`edge.consumers`), the way an event finds them (`edge.routing`), the bus between them (`edge.layers`), and the
supervisor that keeps the devices a person wants running (`edge.supervisor`). The core knows neither Django nor a
transport library; `docs/architecture.md` says who may import whom.
"""

__version__ = "0.1.0"
