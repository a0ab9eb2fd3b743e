"""`python -m outfitswap_desktop`: the command line."""

from outfitswap_desktop.cli import main

if __name__ == "__main__":
    main()
