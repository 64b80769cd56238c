"""The experiments on the trained fixture."""

load("//experiments:defs.bzl", "llama_moe_experiment")

# Gradient Split Plus: routers, scores and neurons, from which the MLP is made.
GSP = {
    "router": [],
    "scores": ["router"],
    "neurons": ["scores"],
    "mlp": ["router", "neurons"],
    "attention": ["mlp"],
}

EVALUATIONS = {
    "evaluate_dense": [],
    "evaluate_mlp": ["mlp"],
    "evaluate_converted": ["attention"],
}

def joined(*groups):
    """One dictionary of the steps of several."""
    steps = {}
    for group in groups:
        steps.update(group)
    return steps

def tiny_experiment(name, steps, shards = {}):
    """An experiment on testdata/llama_gqa_bf16 and testdata/stories."""
    llama_moe_experiment(
        name = name,
        data = "//testdata:stories",
        lock = name + ".lock.textproto",
        model = "//testdata:llama_gqa_bf16",
        shards = shards,
        spec = name + ".textproto",
        steps = steps,
    )
