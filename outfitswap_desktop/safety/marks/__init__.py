"""The marks that every released file carries: XMP, a C2PA manifest, and an invisible mark inside the mask."""
