"""A workload on record and the judge of it: what `whimbrel soak` is made of.

    plan ──▶ workload ──▶ devices ──events──▶ recorder ──▶ history file
                                                  └──────▶ checker ──▶ verdict ──▶ report, plot

It knows clients and stores, not who starts the servers or what is done to them: that is joined
in `whimbrel.local.soak`.
"""
