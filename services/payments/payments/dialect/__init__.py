"""Stripe's dialect of HTTP: forms in, prefixed objects and its error envelope out.

params  what a route takes, and how it is read   errors    every refusal, in Stripe's words and types
form    `a[b][]=c` to a tree                     calls     one parsed request and its answer
routes  the declaration of a route               lists     pages: limit, starting_after, ending_before
expand  `expand[]=a.b` on objects and lists      dispatch  ASGI: the table of routes, what surrounds a call
"""
