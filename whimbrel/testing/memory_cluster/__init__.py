"""A whole Whimbrel in one process, without a network, a server or a real second.

    plan ──▶ world ──▶ nemesis ──faults──▶ AccessPod ◀─links─▶ LogicPod ──▶ memory stores
               └─────▶ Device ──streams──▶ AccessPod      both ──▶ MemoryDirectory (the Router)
               └─────▶ record ──events──▶ verdict

The pods are the product's own parts, wired as their bootstraps wire them; only what touches the
network or a store is replaced. Time is simulated and chance is seeded, so a minute takes a
fraction of a second and a seed that fails fails again.
"""
