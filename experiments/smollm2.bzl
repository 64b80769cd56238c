"""The experiments on SmolLM2-135M-Instruct."""

load("//experiments:defs.bzl", "experiment_step", "llama_moe_experiment")
load("//experiments:step_graphs.bzl", "STEP_GRAPHS")

# The model is fetched, and a run takes minutes: only who asks for one gets it.
_TAGS = ["manual"]

def smollm2_reference(name):
    """The reference of the alignment, made once for all experiments on the model."""
    experiment_step(
        name = name,
        data = "@smollm2//:text",
        model = "@smollm2//:checkpoint",
        spec = name + ".textproto",
        step = "distribution",
        tags = _TAGS,
    )

def smollm2_experiment(name):
    """An experiment on @smollm2."""
    llama_moe_experiment(
        name = name,
        data = "@smollm2//:text",
        lock = name + ".lock.textproto",
        model = "@smollm2//:checkpoint",
        shared = {"distribution": ":smollm2_reference"},
        spec = name + ".textproto",
        # Empty for a new spec until update_described has run.
        steps = STEP_GRAPHS.get(name, {}),
        tags = _TAGS,
    )
