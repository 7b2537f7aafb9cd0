"""The decision journal: everything that each decision was made from, kept so that it can be made
again. Format: docs/journal.md. Nothing here is imported unless `MM_JOURNAL_DIR` is set or a command
reads a journal.
"""
