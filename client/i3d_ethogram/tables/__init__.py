"""The tables of a recording and of an experiment."""
