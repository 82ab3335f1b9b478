"""What is done: one effect a module.

Looks for videos, measures them, talks to the provider and writes down what happened. Imports
`catalog`, never `flows`; steps do not import one another.
"""
