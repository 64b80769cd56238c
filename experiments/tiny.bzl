"""The experiments on the trained fixture."""

load("//experiments:defs.bzl", "experiment_step", "llama_moe_experiment")
load("//experiments:step_graphs.bzl", "STEP_GRAPHS")

def tiny_reference(name):
    """The reference of the alignment, made once for all experiments of the fixture."""
    experiment_step(
        name = name,
        data = "//testdata:stories",
        model = "//testdata:llama_gqa_bf16",
        shards = 2,
        spec = name + ".textproto",
        step = "distribution",
    )

def tiny_experiment(name, shards = {}):
    """An experiment on testdata/llama_gqa_bf16 and testdata/stories."""
    llama_moe_experiment(
        name = name,
        data = "//testdata:stories",
        lock = name + ".lock.textproto",
        model = "//testdata:llama_gqa_bf16",
        shared = {"distribution": ":tiny_reference"},
        shards = shards,
        spec = name + ".textproto",
        # Empty for a new spec until update_described has run.
        steps = STEP_GRAPHS.get(name, {}),
    )
