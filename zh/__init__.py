"""zh (zero to hero): the code that the book teaches and runs, one idea a module.

Nothing is imported here and nothing is seeded: `from zh.autograd import Value` says what it takes.
"""
