"""`make bench`: the bot against stated baselines in one run. It measures; nothing is asserted.

`cycles` and `crowded` run the loop in this process, `events` starts bots as their users do;
`plain` is the baseline. `figures` knows the targets and prints, `picture` draws.
"""
