"""`python -m mm_bot.settings`: every variable, as the README's table."""

from mm_bot.settings import markdown

print(markdown(), end="")
