"""What Edge costs, measured beside what people would use instead: ``scripts/bench``, docs/performance.md.

Everything is counted per **CPU second of the server process alone**: writers and clients are processes of their own.
Our side and the peer take turns in every round (A B A B …), and medians are shown, so that a busy machine harms both
alike.

* `measure` processes, their CPU clocks, medians and tables
* `frames` the frames that are decoded and written
* `codecs`, `latency`, `consumer`, `fanout`, `isolation`, `memory`, `idle`, `whole` one bench each; their docstrings say
  what is measured and what is not
* `servers`, `crowd`, `clients`, `writer` what those run as processes of their own
"""
