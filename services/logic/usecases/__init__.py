"""The verbs of Logic: this listing reads as what Logic does."""
