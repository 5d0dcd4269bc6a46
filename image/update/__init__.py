"""Updates that cannot brick the box: old package and old data are kept until the new version has proved itself.

`edge-update FILE.deb` puts the package on the card and starts edge-update.service, which runs at each boot too and
goes on from wherever the last run was ended. `progress` is what it remembers, `course` the way from one phase to the
next, `machine` the box that it is done to, `data` the databases' snapshot. The standard library alone, and in no
package that it replaces. Why it is done so, and what it does not cover: docs/appliance.md.
"""
