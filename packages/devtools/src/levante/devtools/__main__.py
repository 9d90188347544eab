"""`python -m levante.devtools` is the command `devtools`."""

from .cli import main

if __name__ == "__main__":
    main(prog_name="devtools")
