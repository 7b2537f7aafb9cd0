"""The command line: `mm-bot <command>`. Each command is a module that is imported when it is asked
for, has `run(call) -> exit code`, and prints through `call.output`, which knows every secret.

No command but `cancel-all`, `pause` and `resume` changes anything; none of them takes part in
quoting. Exit codes are those of the bot: 0 done, 2 settings, 3 identity or permission, 4 something
does not answer, 5 orders may still be live, 1 a bug.
"""
