"""python -m loopnest: the same as the command."""

from loopnest.cli import main

if __name__ == "__main__":
    main()
