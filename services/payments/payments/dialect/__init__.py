"""Stripe's dialect of HTTP: forms in, prefixed objects and its error envelope out.

routes    the declaration of a route             params    what a route takes, and how it is read
table     finds the route of a path              form      `a[b][]=c` to a tree; shapes: what stands in it
dispatch  ASGI: what surrounds every call        metadata  the caller's own keys on every object
gate      secret keys, and the rate of each      lists     pages: limit, starting_after, ending_before
envelope  header fields; refusals of others      expand    `expand[]=a.b` on objects and lists
errors    every refusal, in Stripe's types       calls     one parsed request and its answer
openapi   the document of the declared routes
"""
