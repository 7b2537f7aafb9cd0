"""The only room that builds real edges: the bot, and every command that looks at the exchange, get
theirs from here.

`run` is one bot from start to end; `venue`, `anchors`, `state` and `pages` build its parts, and
`look` asks for one decision without a bot.
"""
