"""Steps that experiments have in common, and what each reads."""

# Gradient Split Plus: routers, scores and neurons, from which the MLP is made.
GSP = {
    "router": [],
    "scores": ["router"],
    "neurons": ["scores"],
    "mlp": ["router", "neurons"],
    "attention": ["mlp"],
}

# Experts cut in order, with routers drawn at random.
SEQUENTIAL = {
    "mlp": [],
    "attention": ["mlp"],
}

# What a split by scores is worth: the same routers with experts cut in order.
CUT_IN_ORDER = {
    "sequential": ["router"],
    "evaluate_sequential": ["sequential"],
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
