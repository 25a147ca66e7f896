"""The verbs of push: this listing reads as what push does."""
