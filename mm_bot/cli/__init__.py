"""The command line: `mm-bot <command>`. Each command is a module that is imported when it is asked
for, has `run(call) -> exit code`, and prints through `call.output`, which knows every secret.

`cancel-all` sends cancels, `pause`, `resume` and `accept-reference` write a control file, `fleet`
starts bots; every other command changes nothing. Exit codes are those of the bot: 0 done, 2
settings, 3 identity or permission, 4 something does not answer, 5 orders may still be live, 6 a
replay differs, 1 a bug.
"""
