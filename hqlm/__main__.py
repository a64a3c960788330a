"""`python -m hqlm`: the command line."""

from hqlm.commands import console

if __name__ == "__main__":
    console()
