"""Says what a video is like without recognising anything in it.

`measure` reads signals in one decode pass, `answers` words them for a task, `describe` keeps the
measurements of recent videos so that several tasks decode once. What is said here is measured
light, colour, motion, sound and text; it never passes for a model's opinion of what is shown.
"""
