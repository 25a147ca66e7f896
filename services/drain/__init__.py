"""The drain controller: empties pods before they stop, and spreads sessions when pods come."""
