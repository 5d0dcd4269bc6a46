"""What the box does once, at its first boot: takes what a person wrote on the boot partition, and becomes that box.

`wanted` has the values and their limits, `edgetoml` and `preseed` read the two files that hold them, `steps` carries
them out on a root folder, and `__main__` puts it together. The standard library alone, and nothing of Edge: a box whose
Edge is broken must still be reachable.
"""
