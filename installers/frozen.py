"""Where the frozen program begins: children of multiprocessing first, then as `python -m outfitswap_desktop`."""

import multiprocessing

if __name__ == "__main__":
    multiprocessing.freeze_support()
    from outfitswap_desktop.__main__ import main

    main()
