"""Finding the handler of a request: patterns of paths, resources with their routes, the dispatcher that files them,
tables of routes.
"""
