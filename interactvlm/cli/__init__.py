"""The command line: `main` finds the verb, one module per verb does the work.

Importing this package loads nothing heavy; a verb's imports happen inside its `run`.
"""
