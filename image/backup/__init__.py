"""A box's data as one file, and a box from such a file: `edge-backup` and `edge-restore`, run as root."""
