"""What the controller does: leads, reconciles, answers operators."""
