"""Everything that touches the world: links, protocols and the ASGI servers made of them.

A link moves bytes (`transports.links`); a session is a protocol as pure values (`transports.session`);
`transports.stream` joins the two with the one loop, and is an ASGI server. `transports.catalog` lists the kinds. No
module here knows Django.
"""
