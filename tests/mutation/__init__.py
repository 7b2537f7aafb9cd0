"""Small changes of the core, one at a time, each of which some test has to see."""
