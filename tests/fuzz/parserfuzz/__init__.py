"""Fuzz targets for the parsers of levante.http and levante.ws, and two drivers that feed them.

A target is a function of bytes that raises if the parser misbehaves: when an error escapes that is not documented, when
the two forms or two ways of cutting the input disagree, when what was written does not read back, when it takes too
long or keeps too much. `guided` drives targets by coverage (atheris), `mutating` by chance alone, which needs nothing
and so also runs in a sanitizer build. `python -m parserfuzz --help` is the command line; `make fuzz` calls it.
"""
