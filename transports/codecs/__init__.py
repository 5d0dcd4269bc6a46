"""Codecs: bytes to values and back, with no clock, no loop and no I/O.

Each module is one format and knows nothing of where its bytes come from. A decoder takes bytes in any chunking with
`receive_bytes` and gives values; what it has to drop it counts. The sessions in `transports` hold these codecs.
"""
