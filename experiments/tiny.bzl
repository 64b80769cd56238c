"""The experiments on the trained fixture."""

load("//experiments:defs.bzl", "experiment_step", "llama_moe_experiment")

# Gradient Split Plus: routers, scores and neurons, from which the MLP is made.
GSP = {
    "router": [],
    "scores": ["router"],
    "neurons": ["scores"],
    "mlp": ["router", "neurons"],
    "attention": ["mlp"],
}

# Blocks with experts get the dense blocks' mean and variance.
ALIGNMENT = {
    "distribution": [],
    "aligned": ["attention", "distribution"],
}

EVALUATIONS = {
    "evaluate_dense": [],
    "evaluate_mlp": ["mlp"],
    "evaluate_converted": ["attention"],
    "evaluate_aligned": ["aligned"],
}

def joined(*groups):
    """One dictionary of the steps of several."""
    steps = {}
    for group in groups:
        steps.update(group)
    return steps

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

def tiny_experiment(name, steps, shards = {}):
    """An experiment on testdata/llama_gqa_bf16 and testdata/stories."""
    llama_moe_experiment(
        name = name,
        data = "//testdata:stories",
        lock = name + ".lock.textproto",
        model = "//testdata:llama_gqa_bf16",
        shared = {"distribution": ":tiny_reference"},
        shards = shards,
        spec = name + ".textproto",
        steps = steps,
    )
