"""The shell: what keeps a pod well whatever comes from outside."""
