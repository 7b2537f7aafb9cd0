"""Many markets from one file: one process a market, and one parent that supervises them.

`plan` is what a fleet is, `parent` runs it, `pages` shows it, `manifests` renders it for a cluster.
A market is a bot like any other; the parent only gives it its environment, and knows it from its
pages and its exit code.
"""
