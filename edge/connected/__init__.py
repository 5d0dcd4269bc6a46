"""AX.25 connected mode as conversations: each connection of a packet terminal is a ``conversation``.

`edge.connected.link` is the data link itself, pure; `edge.connected.lines` makes lines of its bytes; and
`edge.connected.carrier` is what `edge.conversations` is given on a route of an ``ax25`` device. docs/packet.md is the
guide for people.
"""
