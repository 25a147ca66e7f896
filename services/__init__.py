"""One folder, one role, one Deployment. Services never import each other."""
