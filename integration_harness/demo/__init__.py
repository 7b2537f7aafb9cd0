"""`make demo`: the bot on the embedded exchange, on spot and on one future, with takers trading
against it along a random price path, shown as one live table."""
